"""The interval of a share of subjects."""

import numpy as np

Z = 1.959964  # 97.5 % quantile of the normal distribution


def wilson(positive: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval by Wilson's score (1927), which stays within 0 and 1 for rare events."""
    share = positive / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    # rounding may put a bound of 0 or 1 on the share's wrong side
    return share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))

"""The six limb leads come from three electrodes: check Einthoven's and Goldberger's equations and name the fault.

Any two limb leads give the other four. The equations detect a single lead that was scaled, inverted, exchanged or
lost. They cannot detect changes of all six: swapped electrodes, since the leads remain consistent, and a
wrong unit. Blank samples (NaN) are ignored.
"""

from itertools import combinations

import numpy as np

from cmr2ecg.ecg.recording import LIMB_LEADS

# I II III aVR aVL aVF from I and II: III = II - I, aVR = -(I + II) / 2, aVL = (I - III) / 2, aVF = (II + III) / 2
FROM_I_II = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
ALIKE = 0.97  # correlation above which a lead is a multiple of what it should be
SAME_SIZE = 0.05  # relative difference of amplitudes called equal


def derive(limb: np.ndarray, missing: list[int]) -> np.ndarray:
    """Return `limb` (6, n) with the `missing` rows computed from the others, at least two.

    Where some of the others are blank the rest are used; NaN where fewer than two are left.
    """
    present = [row for row in range(6) if row not in missing]
    limb = limb.copy()
    limb[missing] = FROM_I_II[missing] @ np.linalg.pinv(FROM_I_II[present]) @ limb[present]
    known = ~np.isnan(limb[present])
    gaps = np.flatnonzero(~known.all(axis=0))
    for pattern in np.unique(known[:, gaps], axis=1).T if gaps.size else ():
        rows = [row for row, there in zip(present, pattern, strict=True) if there]
        columns = gaps[(known[:, gaps] == pattern[:, None]).all(axis=0)]
        if len(rows) > 1:
            from_rows = FROM_I_II[missing] @ np.linalg.pinv(FROM_I_II[rows])
            limb[np.ix_(missing, columns)] = from_rows @ limb[np.ix_(rows, columns)]
    return limb


def einthoven_error(limb: np.ndarray, window: int, step: float = 0.0) -> float:
    """Return how far `limb` (6, n) is from Einthoven's and Goldberger's equations, relative to its amplitude.

    The root mean square error of the worst equation in the worst `window` samples, without its mean (leads may have
    different offsets), over the root mean square of all six leads in the whole record.

    Args:
        step: one ADC count in the unit of `limb`; rounding errors are subtracted.
    """
    one, two, three, avr, avl, avf = limb
    errors = np.stack([two - one - three, avr + (one + two) / 2, avl - (one - three) / 2, avf - (two + three) / 2])
    size = _spread(limb)
    if size == 0:
        return 0.0
    windows = errors[:, : max(1, errors.shape[1] // window) * window].reshape(4, -1, min(window, errors.shape[1]))
    rounding = (step / 2) ** 2  # three rounded leads: 3 / 12, and halves rounded again
    worst = windows.var(axis=2).max()
    if np.isnan(worst):  # windows with blanks again, without the blank samples
        worst = max(_spread(part) ** 2 for part in windows.reshape(-1, windows.shape[2]))
    return float(np.sqrt(max(0.0, worst - rounding)) / size)


def suspect(limb: np.ndarray, window: int, step: float, limit: float) -> str:
    """Describe which leads of `limb` (6, n) violate the equations, or "" if one change does not explain it.

    Tried in turn: one inconsistent lead while the other five agree; two leads with swapped names.
    """
    for row, name in enumerate(LIMB_LEADS):
        expected = derive(limb, [row])
        if einthoven_error(expected, window, step) <= limit:
            return f"{name} {_change(limb[row], expected[row])}"
    for first, second in combinations(range(6), 2):
        order = list(range(6))
        order[first], order[second] = second, first
        if einthoven_error(limb[order], window, step) <= limit:
            return f"{LIMB_LEADS[first]} and {LIMB_LEADS[second]} swapped"
    return ""


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of the samples that are not blank in `values` of any shape; 0 if all are."""
    known = ~np.isnan(values)
    if known.all():
        return float(values.std())
    return float(values[known].std()) if known.any() else 0.0


def _change(lead: np.ndarray, expected: np.ndarray) -> str:
    """Return what was done to a lead (n,) that should be `expected`."""
    known = ~np.isnan(lead + expected)
    if not known.any():
        return "is another signal"
    lead, expected = lead[known], expected[known]
    lead, expected = lead - lead.mean(), expected - expected.mean()
    size, wanted = lead.std(), expected.std()
    alike = float(lead @ expected) / max(lead.size * size * wanted, 1e-12)
    if abs(alike) < ALIKE:
        return "is another signal"
    ratio = size / wanted
    if abs(ratio - 1) < SAME_SIZE:
        return "inverted"
    return f"{'inverted and ' if alike < 0 else ''}scaled by {ratio:.2g}"

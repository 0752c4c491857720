"""The heart as an ECG sees it: part of what the heart is, part scatter of which the heart knows nothing.

Each latent is s z + sqrt(1 - s^2) z', z' a stranger's, so that it stays standard normal and correlates with the heart's
own by s. For anatomy s is the visibility v; a damaged wall shows more plainly, rate, rhythm and the place of the damage
more plainly still. Age, sex and body habitus are the person's own at any v.
"""

import numpy as np

from cmr2ecg.simulate.heart import BODY, LATENTS, Heart, af_liability, by_name, heart_from_latents

_PLAINLY = 4.0
POWERS = {"rate": _PLAINLY, "rhythm": _PLAINLY, "territory": _PLAINLY, "ischaemia": 2.0}
"""Powers k in s = 1 - (1 - v)^k; 1 for what is not named."""


def shares(visibility: float) -> np.ndarray:
    """Return the correlation (len(LATENTS),) of each latent with what the ECG sees of it, at a visibility of 0 to 1."""
    found = [1.0 if name in BODY else seen(visibility, POWERS.get(name, 1.0)) for name in LATENTS]
    return np.array(found)


def seen(visibility: float, power: float) -> float:
    """Return s = 1 - (1 - v)^k: 0 at v = 0 and 1 at v = 1 whatever k."""
    return 1 - (1 - visibility) ** power


def seen_by_ecg(
    z: np.ndarray, other: np.ndarray, visibility: float, thresholds: tuple[float, float]
) -> tuple[np.ndarray, Heart]:
    """Return the latents that the ECG sees, and their heart.

    The rhythm of the day follows from several latents; the ECG shows their sum as plainly as the rate.

    Args:
        z, other: (..., len(LATENTS)) latents of the heart, and of a stranger.
        visibility: 0 to 1.
        thresholds: of atrial fibrillation and infarct, see `heart_from_latents`.
    """
    latents = _mixed(z, other, shares(visibility))
    rhythm = np.array([1.0 if name in BODY else seen(visibility, _PLAINLY) for name in LATENTS])
    liability = af_liability(by_name(_mixed(z, other, rhythm)))
    return latents, heart_from_latents(latents, *thresholds, liability=liability)


def _mixed(z: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return share * z + np.sqrt(1 - share**2) * other

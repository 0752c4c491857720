"""Electrical latents of the heart beyond its anatomy, visible in the ECG but in no image or phenotype.

They explain part of the ECG's individual variation, so that the ECGs of a cohort look the same whether
or not they affect the diseases (`disease.log_odds`).
"""

import numpy as np

ELECTRICAL = ("conduction", "repolarisation", "atrial", "autonomic")
# Their share in each random trait of `ecg_traits`: conduction slows the ventricles and turns the axis to the left;
# repolarisation lengthens QT and flattens and turns T; remodelled atria conduct late; autonomic neuropathy lengthens QT
_SHARES = {
    "qrs": {"conduction": 0.8},
    "pr": {"conduction": 0.5, "atrial": 0.5},
    "axis": {"conduction": -0.4},
    "qt": {"repolarisation": 0.6, "autonomic": 0.4},
    "t": {"repolarisation": -0.6},
    "t_turn": {"repolarisation": 0.6},
    "strain": {"repolarisation": 0.5},
    "p": {"atrial": -0.6},
}


def with_electrical(own: dict[str, float], electrical: dict[str, float]) -> dict[str, float]:
    """Return a person's random traits (standard normal) with the electrical latents mixed in; each stays normal."""
    mixed = dict(own)
    for name, shares in _SHARES.items():
        rest = np.sqrt(1 - sum(share**2 for share in shares.values()))
        mixed[name] = float(rest * own[name] + sum(share * electrical[latent] for latent, share in shares.items()))
    return mixed


def premature_share(electrical: dict[str, float]) -> float:
    """Return the share of beats that are premature: remodelled atria fire early."""
    return float(min(0.004 * np.exp(1.4 * electrical["atrial"]), 0.15))


def variability(electrical: dict[str, float]) -> float:
    """Return the factor on the sinus rhythm's variation, which autonomic neuropathy reduces."""
    return float(np.exp(-0.5 * electrical["autonomic"]))

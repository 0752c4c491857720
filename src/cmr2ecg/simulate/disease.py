"""Risks of coronary disease (cad), atrial fibrillation (af) and diabetes (dm), and the codes that record them."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from cmr2ecg.simulate.heart import LATENTS, Heart, af_liability, heart_from_latents

DISEASES = ("cad", "af", "dm")
CODES = {
    "cad": ("I209", "I219", "I229", "I248", "I251", "I252", "I258", "I259"),
    "af": ("I48", "I480", "I481", "I489"),
    "dm": ("E109", "E119", "E112", "E139", "E149"),
}
# Codes of other diseases, near misses among them (I270, I471, E15, E785 lie beside the wanted prefixes)
DECOYS = (
    "I10",
    "M179",
    "K219",
    "E785",
    "I471",
    "I270",
    "E15",
    "J459",
    "Z867",
    "K573",
    "H269",
    "I501",
    "N390",
)
CODE_COLUMNS = 12
_AF_ON_THE_DAY = 0.35  # share of people with atrial fibrillation who are in it at the visit
_REFERENCE = 20000


@dataclass(frozen=True)
class Calibration:
    """What makes the population's prevalence the wanted one."""

    af_threshold: float
    intercepts: tuple[float, float, float]  # in the order of DISEASES


@dataclass(frozen=True)
class Record:
    """A subject's coded history, as hospital (41270, 41280) and death (40000 to 40002) fields hold it."""

    codes: tuple[str, ...]
    dates: tuple[date, ...]
    death: date | None
    death_cause: str
    death_contributory: tuple[str, ...]


def log_odds(heart: Heart) -> np.ndarray:
    """Return (..., 3) log-odds of the diseases without their intercepts, in the order of DISEASES."""
    s = heart.standard()
    cad = 0.4 * s["age"] + 0.25 * s["male"] + 0.15 * s["bmi"] + 3.0 * heart.ischaemia - 0.5 * s["ef"]
    cad = cad + 0.25 * s["mass"]
    af = 0.45 * s["age"] + 0.15 * s["male"] + 0.15 * s["bmi"] + 0.8 * s["atrium"] + 4.5 * heart.af
    af = af - 0.25 * s["ef"]
    dm = 0.15 * s["age"] + 0.1 * s["male"] + 0.5 * s["bmi"] + 0.9 * s["concentric"] + 0.6 * s["rate"]
    return np.stack([cad, af, dm], axis=-1)


def risks(heart: Heart, calibration: Calibration) -> np.ndarray:
    """Return (..., 3) probabilities of the diseases."""
    return 1 / (1 + np.exp(-(log_odds(heart) + np.asarray(calibration.intercepts))))


@lru_cache(maxsize=8)
def calibrate(cad: float, af: float, dm: float) -> Calibration:
    """Return the threshold and intercepts that give these prevalences in a large reference population.

    The reference is the same for every cohort, so that a subject does not depend on how many others are drawn.
    """
    z = np.random.default_rng(0).standard_normal((_REFERENCE, len(LATENTS)))
    liability = af_liability({name: z[:, index] for index, name in enumerate(LATENTS)})
    threshold = float(np.quantile(liability, 1 - _AF_ON_THE_DAY * af))
    odds = log_odds(heart_from_latents(z, threshold))
    intercepts = tuple(_solve(odds[:, k], wanted) for k, wanted in enumerate((cad, af, dm)))
    return Calibration(threshold, intercepts)


def _solve(odds: np.ndarray, prevalence: float) -> float:
    """Bisect for the intercept at which the mean risk is `prevalence`."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = np.mean(1 / (1 + np.exp(-(odds + middle))))
        low, high = (low, middle) if mean > prevalence else (middle, high)
    return (low + high) / 2


def draw_record(rng: np.random.Generator, has: np.ndarray, visit: date) -> Record:
    """Return the codes of a subject with diseases `has` (3 booleans), before and after the visit, with decoys.

    About one ill subject in twelve is known from the death register alone.
    """
    wanted = [str(rng.choice(CODES[name])) for name, ill in zip(DISEASES, has, strict=True) if ill]
    decoys = [str(code) for code in rng.choice(DECOYS, size=min(rng.poisson(1.5), 7), replace=False)]
    dead = rng.random() < (0.15 if wanted else 0.01)
    cause, contributory = "", ()
    if dead and wanted and rng.random() < 0.55:
        hidden = wanted.pop(int(rng.integers(len(wanted))))
        cause, contributory = (hidden, ("J189",)) if rng.random() < 0.5 else ("C349", ("J189", hidden))
    elif dead:
        cause = "C349"
    if wanted and rng.random() < 0.4:  # the same disease is often coded twice
        wanted.append(str(rng.choice(CODES[_disease_of(wanted[0])])))
    codes = list(dict.fromkeys([*wanted, *decoys]))[:CODE_COLUMNS]
    rng.shuffle(codes)
    dates = tuple(visit + timedelta(days=int(rng.integers(-4500, 1500))) for _ in codes)
    death = visit + timedelta(days=int(rng.integers(200, 1800))) if dead else None
    return Record(tuple(codes), dates, death, cause, contributory)


def _disease_of(code: str) -> str:
    return next(name for name in DISEASES if code in CODES[name])

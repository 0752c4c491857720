"""Risks of coronary disease (cad), atrial fibrillation (af) and diabetes (dm), and the codes that record them."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from cmr2ecg.simulate.electrical import ELECTRICAL
from cmr2ecg.simulate.heart import LATENTS, Heart, af_liability, heart_from_latents

DISEASES = ("cad", "af", "dm")
CODES = {
    "cad": ("I209", "I219", "I229", "I248", "I251", "I252", "I258", "I259"),
    "af": ("I48", "I480", "I481", "I489"),
    "dm": ("E109", "E119", "E112", "E139", "E149"),
}
# Codes of other diseases, near misses among them (I270, I471, E15, E785 are next to the target prefixes)
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
_ECG_ONLY = (1.0, 1.0, 0.5)  # of cad, af, dm, against the setting
_REFERENCE = 20000


@dataclass(frozen=True)
class Calibration:
    """Parameters that give the population its set prevalence."""

    af_threshold: float
    infarct_threshold: float
    intercepts: tuple[float, float, float]  # in the order of DISEASES
    heart: tuple[float, float, float]  # factors on what the heart adds to the log-odds
    electrical: tuple[float, float, float]  # factors on what the electrical latents add


@dataclass(frozen=True)
class Record:
    """A subject's coded history, as in hospital (41270, 41280) and death (40000 to 40002) fields."""

    codes: tuple[str, ...]
    dates: tuple[date, ...]
    death: date | None
    death_cause: str
    death_contributory: tuple[str, ...]


def body_log_odds(heart: Heart) -> np.ndarray:
    """Return (..., 3) log-odds from age, sex, body, rate and the rhythm of the day, in the order of DISEASES."""
    s = heart.standard()
    cad = 0.4 * s["age"] + 0.25 * s["male"] + 0.15 * s["bmi"]
    af = 0.45 * s["age"] + 0.15 * s["male"] + 0.15 * s["bmi"] + 4.5 * heart.af
    dm = 0.15 * s["age"] + 0.1 * s["male"] + 0.5 * s["bmi"] + 0.6 * s["rate"]
    return np.stack([cad, af, dm], axis=-1)


def heart_log_odds(heart: Heart) -> np.ndarray:
    """Return (..., 3) log-odds from what an image shows: damage, function, mass, atrium, wall relative to cavity."""
    s = heart.standard()
    cad = 3.0 * heart.ischaemia - 0.5 * s["ef"] + 0.25 * s["mass"]
    return np.stack([cad, 0.8 * s["atrium"] - 0.25 * s["ef"], 0.9 * s["concentric"]], axis=-1)


def electrical_log_odds(electrical: np.ndarray) -> np.ndarray:
    """Return (..., 3) log-odds of unit standard deviation from (..., len(ELECTRICAL)) electrical latents."""
    of = {name: electrical[..., index] for index, name in enumerate(ELECTRICAL)}
    cad = 0.8 * of["repolarisation"] + 0.6 * of["conduction"]
    af = 0.8 * of["atrial"] + 0.6 * of["conduction"]
    dm = 0.8 * of["autonomic"] + 0.6 * of["repolarisation"]
    return np.stack([cad, af, dm], axis=-1)


def risks(heart: Heart, electrical: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return (..., 3) probabilities of the diseases, in the order of DISEASES.

    Args:
        heart: fields of any shape.
        electrical: (..., len(ELECTRICAL)) latents that only the ECG shows.
        calibration: of the population.
    """
    odds = body_log_odds(heart) + np.asarray(calibration.heart) * heart_log_odds(heart)
    odds = odds + np.asarray(calibration.electrical) * electrical_log_odds(electrical)
    return 1 / (1 + np.exp(-(odds + np.asarray(calibration.intercepts))))


@lru_cache(maxsize=8)
def calibrate(cad: float, af: float, dm: float, ecg_only: float = 0.0, infarct: float = 0.0) -> Calibration:
    """Return the thresholds, factors and intercepts that give these prevalences in a large reference population.

    `ecg_only` is the share of the part shown only by the ECG in the variance of the log-odds beyond body, rate and
    rhythm; for diabetes half of that. The variance itself does not depend on it. The reference is the same for every
    cohort, so that a subject does not depend on how many others are drawn.

    Args:
        cad, af, dm: share of people with each disease.
        ecg_only: 0 to 1.
        infarct: share of people with an infarct.
    """
    rng = np.random.default_rng(0)
    z = rng.standard_normal((_REFERENCE, len(LATENTS)))
    electrical = rng.standard_normal((_REFERENCE, len(ELECTRICAL)))
    liability = af_liability({name: z[:, index] for index, name in enumerate(LATENTS)})
    threshold = float(np.quantile(liability, 1 - _AF_ON_THE_DAY * af))
    damaged = NormalDist().inv_cdf(1 - infarct) if 0 < infarct < 1 else np.inf * (1 - 2 * infarct)
    heart = heart_from_latents(z, threshold, damaged)
    share = ecg_only * np.array(_ECG_ONLY)
    of_heart = heart_log_odds(heart)
    factors = np.sqrt(1 - share), np.sqrt(share) * of_heart.std(0)
    odds = body_log_odds(heart) + factors[0] * of_heart + factors[1] * electrical_log_odds(electrical)
    intercepts = _solve(odds[:, 0], cad), _solve(odds[:, 1], af), _solve(odds[:, 2], dm)
    return Calibration(threshold, damaged, intercepts, *(tuple(factor.tolist()) for factor in factors))


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
    cause = ""
    contributory: tuple[str, ...] = ()
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

"""ECG traits of a heart: rate, intervals, and the dipole's path over a beat, with variation between people.

Only part of the anatomy is visible from the body surface, so each trait adds individual variation to the heart's
influence. Directions are Frank's: x to the left, y to the feet, z to the back. Amplitudes are in mV.
"""

from dataclasses import dataclass

import numpy as np

from cmr2ecg.simulate.electrical import ELECTRICAL, premature_share, variability, with_electrical
from cmr2ecg.simulate.heart import Heart

# The short axis in Frank's directions: lateral wall and anterior wall seen from the cavity
_LATERAL, _ANTERIOR = np.array([0.75, 0.0, 0.66]), np.array([0.40, -0.79, -0.47])


@dataclass(frozen=True)
class Bump:
    """One Gaussian piece of the dipole's path: (time from the R peak, width) in seconds, direction in mV."""

    centre_s: float
    width_s: float
    vector: np.ndarray  # (3,)
    of_t_wave: bool = False  # moves with the QT interval


@dataclass(frozen=True)
class EcgTraits:
    """One person's ECG without noise."""

    rate: float  # beats per minute
    af: bool
    pr_ms: float
    qrs_ms: float
    qt_ms: float  # at this rate
    axis_degrees: float  # frontal QRS axis
    block: str  # "", "LBBB" or "RBBB"
    strain: float  # 0 none, 1 marked ST-T change of a hypertrophied or failing ventricle
    premature: float  # share of beats that come early
    variability: float  # of the sinus rhythm, relative to the usual
    bumps: tuple[Bump, ...]


def ecg_traits(heart: Heart, electrical: np.ndarray, rng: np.random.Generator) -> EcgTraits:
    """Return the traits of a heart.

    Args:
        heart: scalar fields, as the ECG sees it.
        electrical: (len(ELECTRICAL),) latents.
        rng: draws the individual variation.
    """
    s = {name: float(value) for name, value in heart.standard().items()}
    current = dict(zip(ELECTRICAL, electrical.tolist(), strict=True))
    own = with_electrical(dict(zip(_OWN, rng.standard_normal(len(_OWN)), strict=True)), current)
    af = bool(heart.af)
    rate = float(heart.rate) * np.exp(0.04 * own["rate"])
    block = _block(s, own)
    widened = {"LBBB": 46, "RBBB": 38, "": 0}[block]
    qrs = 90 + 3 * s["male"] + 2.5 * s["mass"] + 3 * s["volume"] - 3 * s["ef"] + 7 * own["qrs"] + widened
    pr = 162 + 6 * s["age"] + 4 * s["atrium"] + 3 * s["male"] - 3 * s["rate"] + 16 * own["pr"]
    qtc = 418 - 4 * s["male"] + 4 * s["age"] - 5 * s["ef"] + 14 * own["qt"] + 0.4 * widened
    qt = qtc + 154 * (60 / rate - 1)  # Framingham: QTc = QT + 154 (1 - RR)
    axis = 40 - 7 * s["bmi"] - 7 * s["age"] - 6 * s["mass"] + 8 * s["rv"] + 18 * own["axis"]
    axis -= 25 if block == "LBBB" else 0
    strain = _strain(s, own)
    qrs, pr, qt = np.clip(qrs, 70, 180), np.clip(pr, 110, 300), np.clip(qt, 310, 520)
    bumps = (
        *(() if af else _p_wave(s, own, pr, current["atrial"])),
        *_qrs(heart, s, own, qrs, axis, block),
        *_st_t(heart, s, own, (qrs, qt, axis, strain), block),
    )
    numbers = (rate, af, float(pr), float(qrs), float(qt), float(axis), block, strain)
    return EcgTraits(*numbers, premature_share(current), variability(current), bumps)


_OWN = (
    "rate",
    "qrs",
    "pr",
    "qt",
    "axis",
    "block",
    "strain",
    "voltage",
    "turn",
    "s_wave",
    "rv",
    "rv_s",
    "p",
    "t",
    "t_turn",
    "q",
)


def _block(s: dict[str, float], own: dict[str, float]) -> str:
    """Bundle branch block: about 1 in 100 each, left ones more often in weak hearts."""
    if own["block"] - 0.35 * s["ef"] + 0.2 * s["mass"] > 2.5:
        return "LBBB"
    return "RBBB" if own["block"] - 0.2 * s["age"] < -2.3 else ""


def _strain(s: dict[str, float], own: dict[str, float]) -> float:
    load = 0.55 * s["concentric"] + 0.35 * s["mass"] - 0.5 * s["ef"] + 0.7 * own["strain"]
    return float(1 / (1 + np.exp(-2.2 * (load - 1.6))))


def _voltage(s: dict[str, float], own: dict[str, float]) -> float:
    """QRS size: more with mass and blood (Brody effect), less through a thick chest and with scar."""
    return float(1.05 * np.exp(0.10 * s["mass"] + 0.06 * s["volume"] - 0.11 * s["bmi"] + 0.24 * own["voltage"]))


def _p_wave(s: dict[str, float], own: dict[str, float], pr: float, remodelled: float) -> tuple[Bump, ...]:
    """Right then left atrium; a large or remodelled left atrium makes the second part late, a large one stronger."""
    start = -(pr - 22) / 1000  # the R peak lies about 22 ms after the start of the QRS
    size = np.exp(0.18 * own["p"] - 0.06 * s["bmi"])
    left = 1 + 0.28 * s["atrium"]
    right_vector = size * np.array([0.03, 0.075, -0.035])
    left_vector = size * max(left, 0.2) * np.array([0.05, 0.05, 0.045])
    return (
        Bump(start + 0.038, 0.016, right_vector),
        Bump(start + 0.064 + 0.006 * s["atrium"] + 0.007 * remodelled, 0.018, left_vector),
    )


def _direction(axis: float, back: float) -> np.ndarray:
    """Unit vector of a frontal axis and a turn to the back, both in degrees."""
    frontal, turn = np.deg2rad(axis), np.deg2rad(back)
    return np.array([np.cos(frontal) * np.cos(turn), np.sin(frontal) * np.cos(turn), np.sin(turn)])


def _facing(heart: Heart) -> np.ndarray:
    """Direction from the cavity to the damaged territory."""
    angle = float(heart.territory)
    return np.cos(angle) * _LATERAL + np.sin(angle) * _ANTERIOR


def _qrs(
    heart: Heart, s: dict[str, float], own: dict[str, float], qrs: float, axis: float, block: str
) -> tuple[Bump, ...]:
    """Septum, free walls, base of the ventricles, and what scar and bundle branch block change."""
    volts, unit = _voltage(s, own), qrs / 92
    back = 6 + 4 * s["mass"] + 5 * s["volume"] + 13 * own["turn"]
    scar = float(heart.ischaemia) * (0.6 + 0.15 * own["q"])
    first = np.array([-0.13, 0.06 * own["q"] - 0.05, -0.24 * np.exp(0.12 * s["rv"] + 0.25 * own["rv"])])
    main = 1.12 * _direction(axis, back)
    basal = np.exp(0.10 * s["volume"] + 0.06 * s["mass"] + 0.24 * own["s_wave"])
    last = basal * np.array([-0.14 - 0.06 * s["rv"] + 0.09 * own["rv_s"], -0.12, 0.52])
    pieces = [
        Bump(-0.021 * unit, 0.0075 * unit, volts * first - volts * scar * _facing(heart)),
        Bump(0.0, 0.0095 * unit, volts * (main - 0.6 * scar * _facing(heart))),
        Bump(0.021 * unit, 0.0095 * unit, volts * last),
    ]
    if block == "LBBB":
        pieces[0] = Bump(-0.028, 0.014, volts * np.array([0.25, 0.05, 0.25]))
        pieces.append(Bump(0.032, 0.018, volts * np.array([0.75, 0.1, 0.75])))
    if block == "RBBB":
        pieces.append(Bump(0.055, 0.016, volts * np.array([-0.32, -0.05, -0.42])))
    return tuple(pieces)


def _st_t(
    heart: Heart,
    s: dict[str, float],
    own: dict[str, float],
    timing: tuple[float, float, float, float],
    block: str,
) -> tuple[Bump, ...]:
    """T wave and ST segment; both turn away from the load, from the damaged wall and from a delayed ventricle."""
    qrs, qt, axis, strain = timing
    end = (qt - 22) / 1000
    start = (qrs - 22) / 1000
    t_axis = _direction(0.6 * axis + 14 + 10 * own["t_turn"], -32 + 7 * s["age"] - 3 * s["male"])
    size = 0.40 * np.exp(0.06 * s["male"] - 0.06 * s["age"] - 0.06 * s["bmi"] + 0.06 * s["ef"] + 0.28 * own["t"])
    load = _direction(axis, 15)
    hurt = float(heart.ischaemia) * _facing(heart)
    wave = size * t_axis - 0.42 * strain * load - 0.40 * hurt
    shift = 0.025 * t_axis - 0.11 * strain * load - 0.05 * hurt
    if block:
        against = np.array([-0.35, -0.05, -0.45]) if block == "LBBB" else np.array([0.12, 0.02, 0.2])
        wave, shift = wave + 0.7 * against, shift + 0.25 * against
    middle = (start + end - 0.12) / 2
    return (
        Bump(middle, max((end - start) / 5.5, 0.03), shift),
        Bump(end - 0.115, 0.046, 0.62 * wave, of_t_wave=True),
        Bump(end - 0.085, 0.028, 0.52 * wave, of_t_wave=True),
    )

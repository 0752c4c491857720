"""The 61 CMR phenotypes of UK Biobank category 157, measured on the simulated geometry with small reader errors."""

import numpy as np

from cmr2ecg.simulate.geometry import Motion, chamber_volumes, myocardial_mass, segment_values

_CHAMBERS = ("LVEDV", "LVESV", "LVSV", "LVEF", "LVCO", "LVM", "RVEDV", "RVESV", "RVSV", "RVEF")
_SEGMENTS = (*(f"AHA_{number}" for number in range(1, 17)), "Global")
FIELDS = {
    **{name: 24100 + place for place, name in enumerate(_CHAMBERS)},
    **{f"WT_{name}": 24124 + place for place, name in enumerate(_SEGMENTS)},
    **{f"Ecc_{name}": 24141 + place for place, name in enumerate(_SEGMENTS)},
    **{f"Err_{name}": 24158 + place for place, name in enumerate(_SEGMENTS)},
}
"""Showcase field of each phenotype, in the order of the fields."""


def measure(motion: Motion, rate: float, rng: np.random.Generator, error: float = 1.0) -> dict[str, float]:
    """Return the 61 phenotypes by name: mL, %, L/min, g, mm.

    Derived values follow from the measured ones: SV = EDV - ESV, EF = 100 SV / EDV, CO = SV rate / 1000, and a
    global value is the mean of its segments.

    Args:
        motion: the simulated contours.
        rate: beats per minute during the scan.
        rng: draws the errors.
        error: scale of the errors; 0 returns the geometry's exact numbers.
    """

    def jitter(spread: float) -> float:
        return float(np.exp(error * spread * rng.standard_normal()))

    left, right = chamber_volumes(motion)
    values: dict[str, float] = {
        **_ventricle("LV", left[0] * jitter(0.02), left.min() * jitter(0.03)),
        **_ventricle("RV", right[0] * jitter(0.025), right.min() * jitter(0.035)),
        "LVM": myocardial_mass(motion) * jitter(0.03),
    }
    values["LVCO"] = values["LVSV"] * rate * jitter(0.01) / 1000
    for name, spread, segments in zip(("WT", "Ecc", "Err"), (0.02, 0.08, 0.12), segment_values(motion), strict=True):
        measured = segments * np.exp(error * spread * rng.standard_normal(16))
        values |= {f"{name}_AHA_{k + 1}": float(value) for k, value in enumerate(measured)}
        values[f"{name}_Global"] = float(measured.mean())
    return {name: values[name] for name in FIELDS}


def _ventricle(name: str, edv: float, esv: float) -> dict[str, float]:
    return {
        f"{name}EDV": edv,
        f"{name}ESV": esv,
        f"{name}SV": edv - esv,
        f"{name}EF": 100 * (edv - esv) / edv,
    }

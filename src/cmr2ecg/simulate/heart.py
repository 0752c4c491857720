"""One person and one heart from standard normal latents: the common cause of ECG, image, phenotypes and diseases.

Means and spreads follow the published ranges of UK Biobank's imaging study (Petersen et al. 2017, J Cardiovasc Magn
Reson 19:18), the body's share in them included.
"""

from dataclasses import dataclass

import numpy as np

LATENTS = (
    "age",
    "sex",
    "height",
    "bmi",
    "lv_size",
    "lv_mass",
    "function",
    "length",
    "rv_size",
    "rv_function",
    "atrium",
    "rate",
    "ischaemia",
    "territory",
    "septum",
    "apex_wall",
    "apex_motion",
    "rhythm",
)


@dataclass(frozen=True)
class Heart:
    """Body, function and anatomy; every field is an array of one value a subject (or a scalar array)."""

    age: np.ndarray  # years
    male: np.ndarray  # 0 or 1
    height_cm: np.ndarray
    weight_kg: np.ndarray
    bmi: np.ndarray  # kg/m2
    lvedv: np.ndarray  # mL
    lvef: np.ndarray  # 0..1
    lvm: np.ndarray  # g
    lv_length: np.ndarray  # mm
    rvedv: np.ndarray  # mL
    rvef: np.ndarray  # 0..1
    rate: np.ndarray  # beats a minute
    atrium: np.ndarray  # left atrial size, standard units
    ischaemia: np.ndarray  # severity of one scarred or ischaemic territory, 0 (none) to about 1.5
    territory: np.ndarray  # its centre in the short axis, radians: 0 lateral, pi/2 anterior, pi septal
    septum: np.ndarray  # septal thickening, standard units
    apex_wall: np.ndarray  # thickness of the apex against the base, standard units
    apex_motion: np.ndarray  # contraction of the apex against the base, standard units
    af: np.ndarray  # 1 when the rhythm at the visit is atrial fibrillation

    def standard(self) -> dict[str, np.ndarray]:
        """Return what drives ECG and disease in standard units (mean about 0, spread about 1)."""
        return {
            "age": (self.age - 64) / 7.7,
            "male": 2 * self.male - 1,
            "bmi": np.log(self.bmi / 26.5) / 0.16,
            "volume": np.log(self.lvedv / 143) / 0.22,
            "mass": np.log(self.lvm / 85) / 0.26,
            "concentric": np.log(self.lvm / self.lvedv / 0.6) / 0.16,
            "ef": (self.lvef - 0.59) / 0.06,
            "rv": np.log(self.rvedv / 150) / 0.23,
            "rate": np.log(self.rate / 63) / 0.16,
            "atrium": self.atrium,
        }


def blend(own: np.ndarray, other: np.ndarray, coupling: float) -> np.ndarray:
    """Return latents that correlate with `own` by `coupling` and stay standard normal.

    z = c * own + sqrt(1 - c^2) * other: at c = 1 the image shows the ECG's heart, at 0 another person's.
    """
    return coupling * own + np.sqrt(1 - coupling**2) * other


def heart_from_latents(z: np.ndarray, af_threshold: float) -> Heart:
    """Return the heart of standard normal latents.

    Args:
        z: (..., len(LATENTS)) latents.
        af_threshold: liability above which the rhythm is atrial fibrillation, see `disease.calibrate`.
    """
    of = {name: z[..., index] for index, name in enumerate(LATENTS)}
    body = _body(of)
    ischaemia = np.minimum(_softplus(3 * (of["ischaemia"] - 1.0)) / 3, 1.6)
    af = (af_liability(of) > af_threshold).astype(float)
    rate = np.exp(np.log(62) + 0.15 * of["rate"] + 0.03 * of["bmi"] + 0.15 * af)
    lvef = _ejection_fraction(of, body["male"], ischaemia, af)
    chambers = _chambers(of, body, lvef)
    return Heart(
        **body,
        **chambers,
        lvef=lvef,
        rate=np.clip(rate, 42, 125),
        atrium=0.8 * of["atrium"] + 0.3 * of["lv_size"] + 0.25 * of["age"] + 0.8 * af,
        ischaemia=ischaemia,
        territory=2 * np.pi * _normal_cdf(of["territory"]),
        septum=of["septum"],
        apex_wall=of["apex_wall"],
        apex_motion=of["apex_motion"],
        af=af,
    )


def af_liability(of: dict[str, np.ndarray]) -> np.ndarray:
    """Return the liability to be in atrial fibrillation at the visit: age, atrial size, weight, and chance."""
    return 0.75 * of["rhythm"] + 0.45 * of["age"] + 0.4 * of["atrium"] + 0.15 * of["bmi"] - 0.15 * of["function"]


def _body(of: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    male = (of["sex"] > 0.04).astype(float)  # 48 % men
    height = 163.0 + 13.0 * male + 6.3 * of["height"]
    bmi = np.exp(np.log(26.0) + 0.03 * male + 0.155 * of["bmi"])
    return {
        "age": np.clip(64 + 7.7 * of["age"], 45, 82),
        "male": male,
        "height_cm": height,
        "weight_kg": bmi * (height / 100) ** 2,
        "bmi": bmi,
    }


def _ejection_fraction(
    of: dict[str, np.ndarray], male: np.ndarray, ischaemia: np.ndarray, af: np.ndarray
) -> np.ndarray:
    """Ejection fraction with a tail of weak hearts."""
    weak = _softplus(4 * (-of["function"] - 1.5)) / 4
    percent = 60.8 - 1.5 * male + 4.3 * of["function"] - 9.0 * weak - 7.0 * ischaemia - 4.0 * af
    return np.clip(percent, 16, 75) / 100


def _chambers(of: dict[str, np.ndarray], body: dict[str, np.ndarray], lvef: np.ndarray) -> dict[str, np.ndarray]:
    """Volumes, mass and length from body surface area (Du Bois) and latents; weak ventricles dilate."""
    male = body["male"]
    surface = 0.007184 * body["weight_kg"] ** 0.425 * body["height_cm"] ** 0.725
    area = 1.85 * (surface / 1.85) ** 0.6  # hearts grow less than in proportion
    dilation = np.maximum(0.57 - lvef, 0)
    lvedv = area * (71 + 10 * male) * np.exp(0.165 * of["lv_size"] - 0.035 * of["age"] + 1.3 * dilation)
    lvm = (
        area
        * (38.5 + 11 * male)
        * np.exp(0.17 * of["lv_mass"] + 0.08 * of["lv_size"] + 0.03 * of["bmi"] + 0.8 * dilation)
    )
    rvedv = area * (73 + 13 * male) * np.exp(0.11 * of["rv_size"] + 0.13 * of["lv_size"] + 0.05 * of["atrium"])
    # Both ventricles pump the same blood, up to small shunts and errors.
    rvef = np.clip(lvedv * lvef * np.exp(0.06 * of["rv_function"]) / rvedv, 0.2, 0.76)
    length = 91 * (lvedv / 145) ** (1 / 3) * np.exp(0.04 * of["length"])
    return {"lvedv": lvedv, "lvm": lvm, "lv_length": length, "rvedv": rvedv, "rvef": rvef}


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    """Normal distribution function by its logistic approximation (error below 0.0002, Bowling et al. 2009)."""
    return 1 / (1 + np.exp(-(1.5976 * x + 0.070565988 * x**3)))

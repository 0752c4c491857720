"""One person and one heart from standard normal latents: the common cause of ECG, image, phenotypes and diseases.

Means and standard deviations of men and women follow the published ranges of UK Biobank's imaging study (Petersen et
al. 2017, J Cardiovasc Magn Reson 19:18), including the contribution of body size.
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
BODY = ("age", "sex", "height", "bmi")
_INFARCT = 0.5  # severity that an infarct adds to the ischaemia behind it
_SIXTH = np.pi / 3  # a segment of the middle ring


@dataclass(frozen=True)
class Heart:
    """Body, function and anatomy; every field is an array of one value per subject (or a scalar array)."""

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
    rate: np.ndarray  # beats per minute
    atrium: np.ndarray  # left atrial size, standard units
    ischaemia: np.ndarray  # severity of one scarred or ischaemic territory, 0 (none) to about 1.5
    territory: np.ndarray  # its centre in the short axis, radians: 0 lateral, pi/2 anterior, pi septal
    infarct: np.ndarray  # 1 if that territory is infarcted; its centre is then that of a middle segment
    septum: np.ndarray  # septal thickening, standard units
    apex_wall: np.ndarray  # thickness of the apex relative to the base, standard units
    apex_motion: np.ndarray  # contraction of the apex relative to the base, standard units
    af: np.ndarray  # 1 if the rhythm at the visit is atrial fibrillation

    def standard(self) -> dict[str, np.ndarray]:
        """Return what drives ECG and disease in standard units (mean about 0, standard deviation about 1)."""
        return {
            "age": (self.age - 64) / 7.7,
            "male": 2 * self.male - 1,
            "bmi": np.log(self.bmi / 26.5) / 0.16,
            "volume": np.log(self.lvedv / 141) / 0.225,
            "mass": np.log(self.lvm / 83) / 0.275,
            "concentric": np.log(self.lvm / self.lvedv / 0.59) / 0.17,
            "ef": (self.lvef - 0.59) / 0.06,
            "rv": np.log(self.rvedv / 150) / 0.245,
            "rate": np.log(self.rate / 63) / 0.16,
            "atrium": self.atrium,
        }


def heart_from_latents(
    z: np.ndarray, af_threshold: float, infarct_threshold: float = np.inf, liability: np.ndarray | None = None
) -> Heart:
    """Return the heart of standard normal latents.

    Args:
        z: (..., len(LATENTS)) latents.
        af_threshold: liability above which the rhythm is atrial fibrillation, see `disease.calibrate`.
        infarct_threshold: latent of ischaemia above which the territory is infarcted.
        liability: of fibrillation, if not that of `z`.
    """
    of = by_name(z)
    body = _body(of)
    infarct = (of["ischaemia"] > infarct_threshold).astype(float)
    ischaemia = np.minimum(_softplus(3 * (of["ischaemia"] - 1.0)) / 3 + _INFARCT * infarct, 1.6)
    af = ((af_liability(of) if liability is None else liability) > af_threshold).astype(float)
    rate = np.exp(np.log(62) + 0.15 * of["rate"] + 0.03 * of["bmi"] + 0.15 * af)
    lvef = _ejection_fraction(of, body["male"], ischaemia, af)
    chambers = _chambers(of, body, lvef)
    territory = 2 * np.pi * _normal_cdf(of["territory"])
    return Heart(
        **body,
        **chambers,
        lvef=lvef,
        rate=np.clip(rate, 42, 125),
        atrium=0.8 * of["atrium"] + 0.3 * of["lv_size"] + 0.25 * of["age"] + 0.8 * af,
        ischaemia=ischaemia,
        territory=np.where(infarct > 0, _to_middle_of_segment(territory), territory),
        infarct=infarct,
        septum=of["septum"],
        apex_wall=of["apex_wall"],
        apex_motion=of["apex_motion"],
        af=af,
    )


def infarct_segment(heart: Heart) -> np.ndarray:
    """Return the AHA number (7 to 12) of the infarcted segment, 0 without an infarct."""
    return np.where(heart.infarct > 0, 7 + _segment(heart.territory), 0).astype(int)


def _segment(angle: np.ndarray) -> np.ndarray:
    """Place (0 to 5) in the middle ring, from the anterior segment by way of the septum."""
    return np.floor((angle - np.pi / 2) / _SIXTH + 0.5) % 6


def _to_middle_of_segment(angle: np.ndarray) -> np.ndarray:
    return (np.pi / 2 + _segment(angle) * _SIXTH) % (2 * np.pi)


def by_name(z: np.ndarray) -> dict[str, np.ndarray]:
    """Return each latent of (..., len(LATENTS))."""
    return {name: z[..., index] for index, name in enumerate(LATENTS)}


def af_liability(of: dict[str, np.ndarray]) -> np.ndarray:
    """Return the liability to be in atrial fibrillation at the visit: age, atrial size, weight and random variation."""
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
    percent = 62.7 - 2.8 * male + 4.3 * of["function"] - 9.0 * weak - 7.0 * ischaemia - 4.0 * af
    return np.clip(percent, 16, 75) / 100


def _chambers(of: dict[str, np.ndarray], body: dict[str, np.ndarray], lvef: np.ndarray) -> dict[str, np.ndarray]:
    """Volumes, mass and length from body surface area (Du Bois) and latents; weak ventricles dilate."""
    male = body["male"]
    size = (surface_area(body["weight_kg"], body["height_cm"]) / 1.85) ** 0.85  # hearts grow a little less
    dilation = np.maximum(0.57 - lvef, 0)
    lvedv = (
        size * (127.5 + 23 * male) * np.exp((0.135 + 0.02 * male) * of["lv_size"] - 0.035 * of["age"] + 1.3 * dilation)
    )
    lvm = (
        size
        * (72 + 22.5 * male)
        * np.exp((0.13 + 0.02 * male) * of["lv_mass"] + 0.08 * of["lv_size"] + 0.03 * of["bmi"] + 0.8 * dilation)
    )
    rvedv = (
        size
        * (135 + 33 * male)
        * np.exp(0.10 * of["rv_size"] + (0.115 + 0.02 * male) * of["lv_size"] + 0.04 * of["atrium"] - 0.03 * of["age"])
    )
    # Both ventricles have the same stroke volume, up to small shunts and errors.
    rvef = np.clip(lvedv * lvef * np.exp(0.06 * of["rv_function"]) / rvedv, 0.2, 0.76)
    length = 91 * (lvedv / 145) ** (1 / 3) * np.exp(0.04 * of["length"])
    return {"lvedv": lvedv, "lvm": lvm, "lv_length": length, "rvedv": rvedv, "rvef": rvef}


def surface_area(weight_kg: np.ndarray, height_cm: np.ndarray) -> np.ndarray:
    """Return the body's surface in m2 (Du Bois and Du Bois 1916)."""
    return 0.007184 * weight_kg**0.425 * height_cm**0.725


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    """Normal distribution function by its logistic approximation (error below 0.0002, Bowling et al. 2009)."""
    return 1 / (1 + np.exp(-(1.5976 * x + 0.070565988 * x**3)))

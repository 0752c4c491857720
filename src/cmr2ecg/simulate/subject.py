"""One synthetic subject: a person, and on demand the ECG, the cine and the phenotypes of a visit.

Image, phenotypes and diseases come from the person's one heart, latents z. The ECG comes from that heart as seen by
an ECG (`seen_by_ecg`), at `ecg_visibility` 1 the heart itself, at 0 nothing of it beyond age, sex and body; and from
electrical latents that only an ECG shows and that affect the diseases (`ecg_only_risk`).
"""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta

import numpy as np

from cmr2ecg.simulate.cine import Cine, render
from cmr2ecg.simulate.disease import DISEASES, Record, calibrate, draw_record, risks
from cmr2ecg.simulate.ecg import draw_ecg
from cmr2ecg.simulate.ecg_traits import EcgTraits, ecg_traits
from cmr2ecg.simulate.electrical import ELECTRICAL
from cmr2ecg.simulate.geometry import ANGLES, Motion, move
from cmr2ecg.simulate.heart import BODY, LATENTS, Heart, af_liability, by_name, heart_from_latents, infarct_segment
from cmr2ecg.simulate.phenotypes import measure
from cmr2ecg.study.settings.cohort import SimulateCohort

FIRST_EID, EIDS = 9000001, 999999  # UK Biobank's own ids are smaller
_PERSON, _OTHER, _TRAITS, _RECORD, _MOTION, _ECG, _CINE, _MEASURE, _ELECTRICAL = range(9)  # purposes of random streams


@dataclass(frozen=True)
class Person:
    """A subject's properties that do not change between visits."""

    index: int
    eid: int
    z_image: np.ndarray  # latents of the heart behind image, phenotypes and diseases
    z_ecg: np.ndarray  # latents of the heart as the ECG sees it
    electrical: np.ndarray  # latents that only the ECG shows
    heart_image: Heart
    heart_ecg: Heart
    risks: np.ndarray  # (3,) of cad, af, dm
    has: np.ndarray  # (3,) booleans
    record: Record
    visited: date  # first imaging visit


@dataclass(frozen=True)
class Subject:
    """A person at an imaging visit."""

    person: Person
    traits: EcgTraits
    ecg_counts: np.ndarray  # (12, samples) int32, 5 uV per count
    motion: Motion
    cine: Cine | None  # None without imaging
    phenotypes: dict[str, float]
    when: datetime


def draw_person(settings: SimulateCohort, index: int) -> Person:
    """Return person `index` of the cohort; the same whatever the number of subjects or workers.

    Args:
        settings: the simulate_cohort section; seed, ecg_visibility, ecg_only_risk, infarct and prevalence are used.
        index: 0-based.
    """
    seed, visibility = settings.seed, float(settings.ecg_visibility)
    ill = settings.prevalence
    prevalence = float(ill.cad), float(ill.af), float(ill.dm)  # in the order of DISEASES
    calibration = calibrate(*prevalence, float(settings.ecg_only_risk), float(settings.infarct))
    thresholds = calibration.af_threshold, calibration.infarct_threshold
    z, other = (_stream(seed, index, purpose).standard_normal(len(LATENTS)) for purpose in (_PERSON, _OTHER))
    electrical = _stream(seed, index, _ELECTRICAL).standard_normal(len(ELECTRICAL))
    heart, (z_ecg, heart_ecg) = heart_from_latents(z, *thresholds), seen_by_ecg(z, other, visibility, thresholds)
    rng = _stream(seed, index, _RECORD)
    chances = risks(heart, electrical, calibration)
    has = rng.random(3) < chances
    visited = date(2015, 5, 4) + timedelta(days=int(rng.integers(1400)))
    return Person(
        index=index,
        eid=eid_of(seed, index),
        z_image=z,
        z_ecg=z_ecg,
        electrical=electrical,
        heart_image=heart,
        heart_ecg=heart_ecg,
        risks=chances,
        has=has,
        record=draw_record(rng, has, visited),
        visited=visited,
    )


def draw_subject(settings: SimulateCohort, index: int, visit: int = 2, *, imaged: bool = True) -> Subject:
    """Return subject `index` with the signals of a visit, in memory.

    Args:
        settings: the simulate_cohort section; what `draw_person` uses, and frames, slices, matrix, field_of_view_mm,
            heart_shift_mm.
        index: 0-based.
        visit: 2 or 3; the second imaging visit shows the same heart with new noise, position and breathing.
        imaged: if false no cine is drawn, which takes most of the time; all else is unchanged.
    """
    seed, person = settings.seed, draw_person(settings, index)
    traits = ecg_traits(person.heart_ecg, person.electrical, _stream(seed, index, _TRAITS))
    rng = _stream(seed, index, _MOTION)
    slices = max(settings.slices + int(rng.choice([-1, 0, 0, 1])), 3)
    motion = move(person.heart_image, slices, settings.frames, rng)
    cine = _cine(settings, motion, person, visit) if imaged else None
    ecg = draw_ecg(traits, _stream(seed, index, _ECG, visit))
    phenotypes = measure(motion, float(person.heart_image.rate), _stream(seed, index, _MEASURE, visit))
    start = datetime(person.visited.year, person.visited.month, person.visited.day, 9, tzinfo=UTC)
    when = start + timedelta(days=870 * (visit - 2), minutes=37 * (index % 13), seconds=index % 60)
    return Subject(person, traits, ecg, motion, cine, phenotypes, when)


def _cine(settings: SimulateCohort, motion: Motion, person: Person, visit: int) -> Cine:
    return render(
        motion,
        person.heart_image,
        settings.matrix,
        float(settings.field_of_view_mm),
        _stream(settings.seed, person.index, _CINE, visit),
        shift_mm=float(settings.heart_shift_mm),
    )


def eid_of(seed: int, index: int) -> int:
    """Return a synthetic eid in 9000001 to 9999999; distinct indices below 999999 have distinct eids."""
    return FIRST_EID + (7919 * index + 104729 * seed) % EIDS  # 7919 has no factor in common with 999999


def truth_of(subject: Subject) -> dict[str, float | int | str]:
    """Return one row of the planted truth: latents, hearts, drawn geometry, ECG traits, risks.

    The heart's position in the image is omitted for subjects without one.
    """
    person, motion = subject.person, subject.motion
    middle = len(motion.inner) // 2
    row: dict[str, float | int | str] = {"eid": person.eid}
    for side in ("ecg", "image"):
        latents, heart = getattr(person, f"z_{side}"), getattr(person, f"heart_{side}")
        row |= {f"z_{side}_{name}": float(value) for name, value in zip(LATENTS, latents, strict=True)}
        row |= {f"{side}_{field.name}": float(getattr(heart, field.name)) for field in fields(Heart)}
    row |= {f"z_ecg_{name}": float(value) for name, value in zip(ELECTRICAL, person.electrical, strict=True)}
    row |= {
        "slices": len(motion.inner),
        "middle_slice": middle,
        **(_place(motion, subject.cine) if subject.cine else {}),
        "es_frame": motion.es_frame,
    }
    row |= _infarct(subject.person.heart_image, motion, subject.cine) if subject.cine else {}
    exact = measure(motion, float(person.heart_image.rate), np.random.default_rng(0), error=0.0)
    row |= {f"true_{name}": value for name, value in exact.items()}
    traits = subject.traits
    row |= {f"trait_{name}": getattr(traits, name) for name in ("rate", "pr_ms", "qrs_ms", "qt_ms")}
    row |= {"trait_axis": traits.axis_degrees, "trait_strain": traits.strain, "trait_block": traits.block}
    for place, name in enumerate(DISEASES):
        row |= {f"risk_{name}": float(person.risks[place]), name: int(person.has[place])}
    return row


def _place(motion: Motion, cine: Cine) -> dict[str, float]:
    """Position of the left ventricle in the middle slice at end-diastole."""
    middle = len(motion.inner) // 2
    return {
        "centre_row": float(cine.centres[middle, 0]),
        "centre_column": float(cine.centres[middle, 1]),
        "lv_radius_px": float(motion.inner[middle, 0].mean() / cine.pixel_spacing_mm),
        "epicardial_radius_px": float(motion.outer[middle, 0].mean() / cine.pixel_spacing_mm),
    }


def _infarct(heart: Heart, motion: Motion, cine: Cine) -> dict[str, float | int]:
    """Position of the infarct in the middle slice at end-diastole: a sector of the ring between two radii.

    Angles are degrees counter-clockwise from the image's right, around centre_row and centre_column; the centre is that
    of the sector, row and column in pixels. Zeros for a heart without an infarct.
    """
    names = ("segment", "row", "column", "from_degrees", "to_degrees", "inner_px", "outer_px")
    segment = int(infarct_segment(heart))
    if not segment:
        return dict.fromkeys((f"infarct_{name}" for name in names), 0)
    middle, angle = len(motion.inner) // 2, float(heart.territory)
    sector = (np.arange(-ANGLES // 12, ANGLES // 12) + round(angle / (2 * np.pi) * ANGLES)) % ANGLES
    inner, outer = (c[middle, 0, sector].mean() / cine.pixel_spacing_mm for c in (motion.inner, motion.outer))
    row, column = cine.centres[middle] + (inner + outer) / 2 * np.array([-np.sin(angle), np.cos(angle)])
    degrees = round(np.rad2deg(angle))
    values = (segment, float(row), float(column), degrees - 30, degrees + 30, float(inner), float(outer))
    return {f"infarct_{name}": value for name, value in zip(names, values, strict=True)}


def _stream(seed: int, index: int, purpose: int, visit: int = 2) -> np.random.Generator:
    """Random numbers of one subject for one purpose, independent of other subjects."""
    return np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(purpose, visit)))


_PLAINLY = 4.0
POWERS = {"rate": _PLAINLY, "rhythm": _PLAINLY, "territory": _PLAINLY, "ischaemia": 2.0}
"""Powers k in s = 1 - (1 - v)^k; 1 for those not named."""


def shares(visibility: float) -> np.ndarray:
    """Return the correlation (len(LATENTS),) of each latent with its value in the ECG, at a visibility of 0 to 1."""
    found = [1.0 if name in BODY else seen(visibility, POWERS.get(name, 1.0)) for name in LATENTS]
    return np.array(found)


def seen(visibility: float, power: float) -> float:
    """Return s = 1 - (1 - v)^k: 0 at v = 0 and 1 at v = 1 for any k."""
    return 1 - (1 - visibility) ** power


def seen_by_ecg(
    z: np.ndarray, other: np.ndarray, visibility: float, thresholds: tuple[float, float]
) -> tuple[np.ndarray, Heart]:
    """Return the latents seen by the ECG, and their heart.

    The rhythm of the day depends on several latents; the ECG shows their sum as clearly as the rate.

    Args:
        z, other: (..., len(LATENTS)) latents of the heart, and of an unrelated subject.
        visibility: 0 to 1.
        thresholds: of atrial fibrillation and infarct, see `heart_from_latents`.
    """
    latents = _mixed(z, other, shares(visibility))
    rhythm = np.array([1.0 if name in BODY else seen(visibility, _PLAINLY) for name in LATENTS])
    liability = af_liability(by_name(_mixed(z, other, rhythm)))
    return latents, heart_from_latents(latents, *thresholds, liability=liability)


def _mixed(z: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return share * z + np.sqrt(1 - share**2) * other

"""Our rejection of ECGs against what raters said: reading, measuring once, applying limits, counting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.ecg.prepare import measured, prepare, repair
from cmr2ecg.ecg.quality import first_fault
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.ecg.recording import LEADS, LIMB_LEADS, Ecg
from cmr2ecg.metrics.proportion import wilson
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.study.settings.recordings import CleanEcg, Quality

RATE_HZ, SAMPLES, COUNT_UV = 500, 5000, 5.0
# aVF before aVL: so Goldberger's equations hold in every record, and in no record otherwise
COLUMNS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
OFF_MV = (2.0, 3.0, 5.0, 8.0, 10.0)  # distances from a lead's median, tried as being off the scale
USUAL_OFF_MV = 5.0
GRID: dict[str, tuple[float, ...]] = {
    "max_mv": (20.0, 5.0, 10.0, 50.0),
    "max_flat_chest_leads": (3, 2, 1, 0),
    "minimum_snr_db": (0.0, 5.0, 10.0),
}
MAX_OFF_SCALE = (0.05, 0.02, 0.01, 0.005)  # share of one lead's samples off the scale; a rule that was only tried
SHIPPED = CleanEcg()


@dataclass(frozen=True)
class Limits:
    """Changes of the shipped limits, and a further rule: reject a lead off the scale for more than this share."""

    changes: Mapping[str, float] = field(default_factory=dict)
    max_off_scale: float = 1.0
    off_mv: float = USUAL_OFF_MV

    @cached_property
    def quality(self) -> Quality:
        """The settings of `clean_ecg.quality`."""
        return SHIPPED.quality.model_copy(update=dict(self.changes))


@dataclass(frozen=True)
class Measured:
    """What limits are applied to: the fault of a record that could not be measured, or its measures.

    off_scale: share of samples (12,) farther from the lead's median than each of OFF_MV.
    """

    fault: str = ""
    found: Mapping[str, Any] | None = None
    off_scale: Mapping[float, np.ndarray] | None = None

    def reason(self, limits: Limits) -> str:
        """Return why the limits reject the record, "" if they do not."""
        if self.found is None or self.off_scale is None:
            return self.fault
        fault = first_fault(self.found, limits.quality)
        if fault:
            return fault[0]
        return "off the scale" if self.off_scale[limits.off_mv].max() > limits.max_off_scale else ""


@dataclass(frozen=True)
class Counts:
    """Rejected and kept of the unacceptable and of the acceptable ECGs."""

    caught: int
    missed: int
    lost: int
    kept: int

    @property
    def sensitivity(self) -> tuple[float, float, float]:
        """Share of the unacceptable that is rejected, with its 95 % interval."""
        return wilson(self.caught, self.caught + self.missed)

    @property
    def specificity(self) -> tuple[float, float, float]:
        """Share of the acceptable that is kept, with its 95 % interval."""
        return wilson(self.kept, self.kept + self.lost)

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """Share of all on which limits and raters agree, with its 95 % interval."""
        return wilson(self.caught + self.kept, self.caught + self.missed + self.lost + self.kept)

    @property
    def balanced(self) -> float:
        """Mean of sensitivity and specificity."""
        return (self.sensitivity[0] + self.specificity[0]) / 2


def read_cinc(path: Path) -> Ecg:
    """Return an ECG of set-a: lines of the sample's number and twelve counts of 5 uV.

    Raises:
        ValueError: another shape, or something else than whole numbers.
    """
    table = pd.read_csv(path, header=None).to_numpy()
    if table.shape != (SAMPLES, 13) or not np.issubdtype(table.dtype, np.integer):
        raise ValueError(f"{path}: not {SAMPLES} lines of 13 whole numbers")
    order = [1 + COLUMNS.index(lead) for lead in LEADS]
    return Ecg(table[:, order].T * (COUNT_UV / 1000), float(RATE_HZ), COUNT_UV)


def labels(folder: Path) -> dict[str, bool]:
    """Return by record whether raters called it unacceptable; records in neither list are left out."""
    lists = {bad: (folder / f"RECORDS-{name}").read_text().split() for name, bad in KINDS.items()}
    if set(lists[True]) & set(lists[False]):
        raise ValueError("a record is in both lists")
    return {record: bad for bad, records in lists.items() for record in records}


KINDS = {"acceptable": False, "unacceptable": True}


def measure(ecg: Ecg) -> Measured:
    """Return what the shipped limits and others are applied to."""
    quality = SHIPPED.quality
    try:
        whole, _ = repair(ecg, RATE_HZ, SAMPLES, quality)
        _, found = measured(whole, ecg, RATE_HZ, SAMPLES, quality)
    except Rejection as error:
        return Measured(error.reason)
    raw = whole[:, : int(np.ceil(SAMPLES * ecg.sampling_rate_hz / RATE_HZ))]
    return Measured("", found, {off_mv: off_scale_share(raw, off_mv) for off_mv in OFF_MV})


def off_scale_share(signal: np.ndarray, off_mv: float) -> np.ndarray:
    """Return the share (leads,) of samples of `signal` (leads, n) in mV that are more than `off_mv` from their median.

    Blank samples (NaN) are ignored.
    """
    known = [lead[~np.isnan(lead)] for lead in signal]
    return np.array([np.mean(np.abs(lead - np.median(lead)) > off_mv) if lead.size else 0.0 for lead in known])


def reason_of_prepare(ecg: Ecg) -> str:
    """Return why the pipeline rejects a record, "" if it does not: what `Measured.reason` must agree with."""
    try:
        prepare(ecg, sampling_rate_hz=RATE_HZ, samples=SAMPLES, quality=SHIPPED.quality)
    except Rejection as error:
        return error.reason
    return ""


def measure_file(path: Path) -> Measured:
    """Return the same of a file in any format the pipeline reads."""
    try:
        return measure(read_ecg(path))
    except Rejection as error:
        return Measured(error.reason)


def halves(unacceptable: Sequence[bool], seed: int) -> np.ndarray:
    """Return (n,) bool: a random half of the unacceptable and of the acceptable records."""
    rng, truth = np.random.default_rng(seed), np.asarray(unacceptable)
    chosen = np.zeros(truth.size, bool)
    for kind in (False, True):
        places = rng.permutation(np.flatnonzero(truth == kind))
        chosen[places[: places.size // 2]] = True
    return chosen


def count(rejected: Sequence[bool], unacceptable: Sequence[bool]) -> Counts:
    """Return how decisions and raters agree."""
    no, bad = np.asarray(rejected, bool), np.asarray(unacceptable, bool)
    return Counts(int((no & bad).sum()), int((~no & bad).sum()), int((no & ~bad).sum()), int((~no & ~bad).sum()))


def candidates(off_scale: bool) -> Iterator[Limits]:
    """Yield the limits to try, the shipped ones first; with `off_scale` also with the further rule."""
    for values in product(*GRID.values()):
        changes = dict(zip(GRID, values, strict=True))
        yield Limits(changes)
        for off_mv, share in product(OFF_MV, MAX_OFF_SCALE) if off_scale else ():
            yield Limits(changes, share, off_mv)


def tune(records: Sequence[Measured], unacceptable: Sequence[bool], *, off_scale: bool) -> Limits:
    """Return the candidate of the highest mean of sensitivity and specificity; of equals the first.

    Args:
        records, unacceptable: of the tuning half.
        off_scale: see `candidates`.
    """
    return max(candidates(off_scale), key=lambda limits: count(decide(records, limits), unacceptable).balanced)


def decide(records: Sequence[Measured], limits: Limits) -> list[bool]:
    """Return which records the limits reject."""
    return [bool(record.reason(limits)) for record in records]


def signs(record: Measured) -> list[str]:
    """Return what may have displeased the raters of an ECG, of the names of SIGNS."""
    if record.found is None or record.off_scale is None:
        return []
    chest = [lead for lead in record.found["flat"] if lead not in LIMB_LEADS]
    there = (
        bool(chest),
        record.off_scale[USUAL_OFF_MV].max() > 0.01,
        record.found["snr_db"] < 10,
        record.found["opposed"],
    )
    return [name for name, is_there in zip(SIGNS, there, strict=True) if is_there] or [NO_SIGN]


SIGNS = ("a flat chest lead", "a lead off the scale for more than 1 %", "less than 10 dB", "I opposes V6")
NO_SIGN = "none of these"

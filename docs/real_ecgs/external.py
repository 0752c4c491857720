"""A release evaluated unchanged on recordings of other hospitals: their labels, its risks, AUROC with intervals.

The recordings are WFDB files with labels in the comments of their headers (PhysioNet/CinC 2020 and 2021).
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from prepare import CHEST_MV, LIMB_MV, limb_scales, write_wfdb

from cmr2ecg.ecg.beats import zero_phase
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.metrics.influence import auroc_influence
from cmr2ecg.metrics.multireader import Estimate
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.steps.clean_ecg import clean_file
from cmr2ecg.study.settings.recordings import CleanEcg
from cmr2ecg.training.fit.plain_features import rr_features

# Acronyms of CPSC 2018, SNOMED CT codes of PhysioNet 2021; a flutter is neither AF nor a clean negative
CODES = {
    "af": ("AF", "164889003"),
    "flutter": ("164890007",),
    "sinus": ("Normal", "SNR", "426783006"),
    "cd": ("RBBB", "LBBB", "I-AVB", "59118001", "713427006", "164909002", "733534002", "270492004", "713426002"),
}
BAND_HZ = (0.5, 40.0)  # as the publisher of the PTB-XL copies filtered them
DIAGNOSES = re.compile(r"#\s*Dx:\s*(.*)")


@dataclass(frozen=True)
class Foreign:
    """One recording of another data set: its header and its codes."""

    path: Path
    codes: frozenset[str]

    def has(self, kind: str) -> bool:
        """Return whether one of its codes is of this kind, of CODES."""
        return not self.codes.isdisjoint(CODES[kind])


def recordings(folders: Sequence[Path]) -> list[Foreign]:
    """Return the labelled recordings below some folders; of those with one name the first."""
    found: dict[str, Foreign] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.hea")):
            said = DIAGNOSES.search(path.read_text(encoding="utf-8", errors="replace"))
            codes = frozenset(re.split(r"[,\s]+", said[1].strip())) if said else frozenset()
            if codes:
                found.setdefault(path.stem, Foreign(path, codes))
    return list(found.values())


def predicted(release: Path, paths: Sequence[Path], out: Path) -> pd.DataFrame:
    """Return what `cmr2ecg predict` says of some files, by path; rejected ones have a reason."""
    command = [sys.executable, "-m", "cmr2ecg", "predict", *map(str, paths), "--model", str(release), "--no-pages"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    return pd.read_csv(out / "predictions.csv").set_index("file")


def as_the_training_set(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write recordings filtered and scaled as the PTB-XL copies are, and return the new headers, in the same order.

    Those that cannot be read stay as they are: they are rejected in both forms.
    """
    return [_matched(path, folder) for path in paths]


def _matched(path: Path, folder: Path) -> Path:
    try:
        ecg = read_ecg(path)
        signal = np.nan_to_num(ecg.signal)
        signal = zero_phase(signal, 3, BAND_HZ, "bandpass", ecg.sampling_rate_hz)
        at = np.arange(0, signal.shape[1] / ecg.sampling_rate_hz, 1 / 500)
        moments = np.arange(signal.shape[1]) / ecg.sampling_rate_hz
        signal = np.stack([np.interp(at, moments, lead) for lead in signal])
        with np.errstate(divide="raise", invalid="raise"):  # a flat lead has no scale
            normalised = (signal - signal.mean(axis=1, keepdims=True)) / signal.std(axis=1, keepdims=True)
        scales, _ = limb_scales(normalised[:6])
    except (Rejection, ValueError, FloatingPointError):
        return path
    write_wfdb(folder, path.stem, normalised * np.concatenate([scales * LIMB_MV, np.full(6, CHEST_MV)])[:, None])
    return folder / f"{path.stem}.hea"


def rhythm(paths: Sequence[Path], settings: CleanEcg) -> np.ndarray:
    """Return features of the RR intervals (n, RR_FEATURES), NaN where a recording is rejected."""
    return np.array([_rhythm(path, settings) for path in paths])


def _rhythm(path: Path, settings: CleanEcg) -> np.ndarray:
    nothing = rr_features(np.zeros((12, 1000)), 100) * np.nan
    try:
        return rr_features(clean_file(path, settings)[0]["ecg"].astype(float), settings.sampling_rate_hz)
    except Rejection:
        return nothing


def auroc_of(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float, float]:
    """Return the AUROC of one model and its 95 % interval over subjects (DeLong, on the logit scale)."""
    value, influence = auroc_influence(labels.astype(float), scores[None])
    estimate = Estimate(float(value[0]), float(np.sqrt((influence[0] ** 2).sum())), float("inf"))
    return (estimate.value, *estimate.interval("auroc"))


def labelled(found: Sequence[Foreign], kind: str) -> Iterator[tuple[Foreign, bool]]:
    """Yield recordings with whether they are positive; flutter is in neither class of AF."""
    for one in found:
        if kind != "af" or one.has("af") or not one.has("flutter"):
            yield one, one.has(kind)


def scores_by_set(
    sets: Mapping[str, Sequence[Foreign]], risks: Mapping[Path, float], kind: str
) -> dict[str, tuple[int, int, float, float, float]]:
    """Return {set: recordings, positives, AUROC, low, high} of those that were predicted."""
    rows = {}
    for name, found in sets.items():
        kept = [(one, positive) for one, positive in labelled(found, kind) if np.isfinite(risks[one.path])]
        labels = np.array([positive for _, positive in kept])
        values = np.array([risks[one.path] for one, _ in kept])
        if labels.any() and not labels.all():
            rows[name] = (len(kept), int(labels.sum()), *auroc_of(labels, values))
    return rows

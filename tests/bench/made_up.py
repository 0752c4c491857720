"""Made-up files that the stages share: an ECG, a short-axis stack, a small study of noise."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.tables.phenotypes import phenotype_fields

FIRST = 9_000_001  # synthetic eids begin here
SLICES, FRAMES, SIDE, SPACING_MM = 10, 50, 208, 1.83  # as UK Biobank's


def write_ecg(path: Path, seed: int = 0) -> None:
    """Write a CardioSoft file of regular beats in noise."""
    rng, time_s = np.random.default_rng(seed), np.arange(5000) / 500
    beat = 200 * np.exp(-(((time_s % 0.85) - 0.4) ** 2) / (2 * 0.012**2))
    signal = rng.uniform(0.3, 1.5, (8, 1)) * beat + rng.normal(0, 3, (8, 5000))
    path.write_bytes(cardiosoft_xml(with_derived_leads(np.rint(signal).astype(int))))


def write_cmr(path: Path, slices: int = SLICES, frames: int = FRAMES, side: int = SIDE) -> None:
    """Write a zip of short axes: bright blood that shrinks and grows in a dark wall."""
    y, x = np.mgrid[:side, :side] * SPACING_MM - side * SPACING_MM / 2
    distance, chest = np.hypot(y, x), np.hypot(y / 110, x / 150)
    inner = 21 + 5 * np.cos(2 * np.pi * np.arange(frames) / frames)[:, None, None]
    image = np.where(chest < 1, 60, 5) + np.where((chest > 0.9) & (chest < 1), 700, 0)
    image = image + np.where(distance < np.sqrt(inner**2 + 700), 140, 0) + np.where(distance < inner, 420, 0)
    noise = np.random.default_rng(0).normal(0, 8, (slices, *image.shape))
    stack = np.clip(image + noise, 0, 4095).astype(np.uint16)
    write_sax_zip(path, stack, pixel_spacing_mm=SPACING_MM, seed=1, compresslevel=6)


def write_study(folder: Path, splits: Mapping[str, int]) -> None:
    """Write dataset.h5 of noise and the tables of so many subjects a split; half have CAD, all train on it."""
    eids = FIRST + np.arange(sum(splits.values()))
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["eid"] = eids
        file["ecg"] = np.random.default_rng(0).standard_normal((len(eids), 12, 5000), np.float32)
    split = np.repeat(list(splits), list(splits.values()))
    pd.DataFrame({"eid": eids, "split": split}).to_csv(folder / "split.csv", index=False)
    labels = pd.DataFrame({"eid": eids, "cad": np.arange(len(eids)) % 2})
    labels.to_parquet(folder / "labels.parquet")
    pd.DataFrame({"eid": eids, **dict.fromkeys(phenotype_fields(), 0.0)}).to_parquet(folder / "phenotypes.parquet")
    labels[: splits["train"]].rename(columns={"cad": "label"}).to_csv(folder / "cad_100.csv", index=False)


def study_files(folder: Path) -> list[str]:
    """Return the arguments of a step that trains on such a study."""
    names = {"dataset": "dataset.h5", "split": "split.csv", "subsets": "", "labels": "labels.parquet"}
    names["phenotypes"] = "phenotypes.parquet"
    return [text for name, file in names.items() for text in (f"--{name}", str(folder / file))]

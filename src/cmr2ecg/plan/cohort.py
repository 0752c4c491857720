"""Who will be in the study: counted where results say so, else from the paper's or the synthetic cohort's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from cmr2ecg.study.targets import is_regression
from cmr2ecg.tables.phenotypes import phenotype_names

PAPER_SUBJECTS = 40_044  # §IV-A, after quality control
REPEATED = 0.02  # share of subjects with a second imaging visit


@dataclass(frozen=True)
class Cohort:
    """Sizes that costs depend on.

    files: subjects whose raw files are read. split: subjects in train, val and test. positives: share of the training
    split with each disease. with_phenotypes: share with CMR phenotypes. source: where the numbers come from.
    unpaired: ECGs without an image, which are cleaned and pre-trained on too. natural: training sets of diseases have
    the prevalence of the training split.
    """

    files: int
    split: Mapping[str, int]
    positives: Mapping[str, float]
    with_phenotypes: float
    source: str
    unpaired: int = 0
    natural: bool = False

    @property
    def subjects(self) -> int:
        """Subjects in the data set."""
        return sum(self.split.values())

    def pretrained_on(self, kind: str, method: Mapping[str, Any]) -> int:
        """Return the training subjects of a pre-training of a kind, such as "mae" or "mmcl", by its settings."""
        also = kind not in ("cmr", "mmcl") and method.get("unpaired", True)
        return self.split["train"] + (self.unpaired if also else 0)

    def trained_on(self, target: str, fraction: int) -> int:
        """Return the training subjects of a target: a balanced share of the positives, or of those with phenotypes."""
        if is_regression(target) or self.natural:
            share = self.with_phenotypes if is_regression(target) else 1.0
            return round(self.split["train"] * share * fraction / 100)
        return 2 * int(self.split["train"] * self.positives.get(target, 0.05) * fraction / 100)

    def scored_on(self, target: str, split: str) -> int:
        """Return the subjects of a split that have a target's values."""
        share = self.with_phenotypes if is_regression(target) else 1.0
        return round(self.split[split] * share)


def outputs_of(target: str) -> int:
    """Return the number of values predicted for a target."""
    return len(phenotype_names(target)) if is_regression(target) else 1


def cohort_of(config: Mapping[str, Any], results: Path, subjects: int | None = None) -> Cohort:
    """Return the cohort's sizes.

    Args:
        config: all settings.
        results: folder of the study's results, which need not be there.
        subjects: of the data set; None takes what the results' index and split say, else the synthetic cohort's or the
            paper's number.
    """
    simulated = config["simulate_cohort"]
    prevalence, phenotypes = dict(simulated["prevalence"]), 1 - simulated["phenotypes_missing"]
    shares = config["split_subjects"]
    wanted = config["index_cohort"]["unpaired_ecgs"]
    natural = config["balance_subset"]["balance"] == "natural"
    if subjects is None:
        found = _counted(results)
        if found is not None:
            return replace(found, unpaired=_unpaired(results) if wanted else 0, natural=natural)
    source = "given" if subjects else "the paper's"
    files = subjects or PAPER_SUBJECTS
    if simulated["enabled"] and subjects is None:
        files = round(simulated["subjects"] * (1 - simulated["missing_modality"]))
        subjects, source = round(files * (1 - simulated["broken"])), "of the synthetic cohort's settings"
    unpaired = 0  # of a download nobody knows before its files are indexed
    if simulated["enabled"] and wanted:
        unpaired = simulated["ecg_only"] + round(simulated["subjects"] * simulated["missing_modality"] / 2)
    count = subjects or PAPER_SUBJECTS
    held_out = {name: round(count * shares[name]) for name in ("val", "test")}
    split = {"train": count - sum(held_out.values()), **held_out}
    source = f"{source} number of subjects, shares as in section IV-B"
    return Cohort(files, split, prevalence, phenotypes, source, unpaired, natural)


def _unpaired(results: Path) -> int:
    """Return how many ECGs without an image a finished data stage holds."""
    path = results / "assemble_dataset/unpaired.h5"
    if not path.exists():
        return 0
    with h5py.File(path, "r") as file:
        return len(file["eid"])


def _counted(results: Path) -> Cohort | None:
    """Return what a finished data stage holds, or None."""
    paths = {
        "visits": results / "index_cohort/visits.parquet",
        "split": results / "split_subjects/split.csv",
        "labels": results / "read_tabular/labels.parquet",
        "phenotypes": results / "read_tabular/phenotypes.parquet",
    }
    if not all(path.exists() for path in paths.values()):
        return None
    split = pd.read_csv(paths["split"])
    train = split.loc[split["split"] == "train", ["eid"]]
    labels = train.merge(pd.read_parquet(paths["labels"]), on="eid")
    phenotypes = train.merge(pd.read_parquet(paths["phenotypes"]), on="eid").drop(columns="eid")
    diseases = [name for name in labels.columns if name != "eid"]
    return Cohort(
        files=len(pd.read_parquet(paths["visits"], columns=["eid"])),
        split={name: int((split["split"] == name).sum()) for name in ("train", "val", "test")},
        positives={name: float(labels[name].mean()) for name in diseases},
        with_phenotypes=float(phenotypes.notna().any(axis=1).mean()),
        source=f"counted in {results}",
    )

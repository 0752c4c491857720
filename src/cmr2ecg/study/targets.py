"""What is predicted: a disease or a group of phenotypes; from which subjects it is learnt, on which it is tested.

Standard library only: Snakemake reads it each time the Snakefile is read.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmr2ecg.study.settings.cohort import BalanceSubset

# Ventricles, wall thickness, circumferential and radial strain: 6, 4, 17, 17 and 17 of the 61 phenotypes (§IV-B).
PHENOTYPE_GROUPS = ("lv", "rv", "wt", "ecc", "err")
WHOLE = 100  # percent
SPLITS = ("train", "val", "test")
PRETRAIN = "pretrain"  # where a list or a data set gives a split: for pre-trainings on ECGs alone, in none of them


def is_regression(target: str) -> bool:
    """Return whether a target is a group of phenotypes, a regression; else it is a disease, a classification."""
    return target in PHENOTYPE_GROUPS


def fractions_of(target: str, section: "BalanceSubset") -> Sequence[int]:
    """Return the percents a target is learnt at."""
    return section.phenotype_fractions if is_regression(target) else section.fractions


def on_subset(target: str, fraction: int) -> bool:
    """Return whether balance_subset draws the training subjects: always of a disease, of a group below 100 %.

    The whole training set of a group is everybody with one of its phenotypes.
    """
    return not is_regression(target) or fraction != WHOLE

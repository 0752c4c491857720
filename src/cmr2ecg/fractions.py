"""On which shares of the training subjects a target is learnt, and which of them are subsets. Standard library only."""

from collections.abc import Mapping, Sequence

from cmr2ecg.sweeps.space import PHENOTYPE_GROUPS

WHOLE = 100  # percent


def fractions_of(target: str, section: Mapping) -> Sequence[int]:
    """Return the percents a target is learnt at; section: config["balance_subset"]."""
    return section["phenotype_fractions" if target in PHENOTYPE_GROUPS else "fractions"]


def on_subset(target: str, fraction: int) -> bool:
    """Return whether balance_subset draws the training subjects: always of a disease, of a group below 100 %.

    The whole training set of a group is everybody with one of its phenotypes.
    """
    return target not in PHENOTYPE_GROUPS or fraction != WHOLE

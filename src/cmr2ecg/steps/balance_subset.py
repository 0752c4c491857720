"""Draw a training subset: positives of a disease and as many fixed negatives (§IV-B), or subjects with phenotypes.

Output: a csv with eid, of a disease also label, of several draws below each other with their number, draw; without
rows, and with a warning, where the train split has too few of one kind or no value.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.cohort.subsets import balanced_subsets, no_training_set, of_draw, random_subsets
from cmr2ecg.loading.labels import output_values, split_eids
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.settings.cohort import SubsetDraw
from cmr2ecg.study.settings.validated import step_settings
from cmr2ecg.study.targets import is_regression


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--values", type=Path, required=True, help="labels.parquet, for phenotypes phenotypes.parquet")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    parser.add_argument("--fraction", type=float, required=True, help="percent of the positives, or of the subjects")
    parser.add_argument("--output", type=Path, required=True, help="csv file to write")
    args = parser.parse_args(argv)
    start(args)
    settings = step_settings(SubsetDraw, args.settings)
    draw_subset = group_subset if is_regression(args.target) else disease_subset
    try:
        subset = draw_subset(args.values, args.target, split_eids(args.split, "train"), args.fraction, settings)
        logging.info("%s, %g %%: %d subjects", args.target, args.fraction, len(of_draw(subset, 0)))
    except InputError as error:
        subset = pd.DataFrame({"eid": [], "label": []}, dtype="int64")
        logging.warning("%s; its fits are skipped, the other ones go on", error)
    with atomic(args.output) as path:
        subset.to_csv(path, index=False)


def disease_subset(
    table: Path, target: str, training: np.ndarray, fraction: float, settings: SubsetDraw
) -> pd.DataFrame:
    """Return positives, `fraction` percent of them, and as many negatives among the training subjects."""
    labels = pd.read_parquet(table)
    if target not in labels:
        raise InputError(f"{target}: no column of raw.tabular has its labels")
    return balanced_subsets(
        labels[labels["eid"].isin(training)],
        target,
        fraction=fraction,
        minimum_pairs=settings.minimum_pairs,
        seed=settings.seed,
        draws=settings.draws,
        pairs=settings.balance == "pairs",
    )


def group_subset(table: Path, target: str, training: np.ndarray, fraction: float, settings: SubsetDraw) -> pd.DataFrame:
    """Return `fraction` percent, drawn at random, of the training subjects who have a value of the group.

    Raises:
        InputError: if nobody has one.
    """
    measured = ~np.isnan(output_values(table, target, training)).all(axis=1)
    if not measured.any():
        raise InputError(no_training_set(target))
    return random_subsets(
        training[measured],
        fraction=fraction,
        minimum_pairs=settings.minimum_pairs,
        seed=settings.seed,
        draws=settings.draws,
    )


if __name__ == "__main__":
    run(main)

"""Split the subjects of dataset.h5 into train, val and test (paper §IV-A: 70/15/15).

Method stratified: on the diseases (cad x af x dm). Method hash: by the eid alone, so that added subjects move nobody.
Method given: the data set's own. All recordings of one subject are in one split.

Output: split.csv (eid, split).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import h5py
import pandas as pd

from cmr2ecg.cohort.split import by_subject, given_split, hash_subjects, of_recordings, split_subjects
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.settings.cohort import SplitSubjects
from cmr2ecg.study.settings.validated import step_settings


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5 of assemble_dataset")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet, for who has several recordings")
    parser.add_argument("--output", type=Path, required=True, help="csv file to write")
    args = parser.parse_args(argv)
    start(args)
    with h5py.File(args.dataset, "r") as file:
        eids = file["eid"][:]
    labels = pd.read_parquet(args.labels)
    diseases = [str(name) for name in labels if name != "eid"]
    labels = labels[labels["eid"].isin(eids)]
    settings = step_settings(SplitSubjects, args.settings)
    shares = {"train": settings.train, "val": settings.val, "test": settings.test}
    visits = pd.read_parquet(args.visits, columns=["eid", "subject", "split"])
    subjects, belongs = by_subject(labels, visits)
    if settings.method == "given":
        split = given_split(labels["eid"].to_numpy(), visits)
    elif settings.method == "hash":
        split = of_recordings(hash_subjects(subjects["eid"].to_numpy(), shares, settings.seed), belongs)
    else:
        split = of_recordings(split_subjects(subjects, diseases, shares, settings.seed), belongs)
    with atomic(args.output) as path:
        split.to_csv(path, index=False)
    for name, part in labels.merge(split, on="eid").groupby("split"):
        prevalence = ", ".join(f"{target} {part[target].mean():.2%}" for target in diseases)
        logging.info("%s: %d subjects, %s", name, len(part), prevalence)


if __name__ == "__main__":
    run(main)

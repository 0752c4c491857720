"""Draw a balanced training subset: positives and as many fixed negatives (paper §IV-B, §V-D).

Output: a csv with eid, label, of several draws below each other with their number, draw; without rows, and with a
warning, where the train split has too few of one kind.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.data.subsets import balanced_subsets, of_draw
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--target", required=True, help="label column: cad, af or dm")
    parser.add_argument("--fraction", type=float, required=True, help="percent of the positives")
    parser.add_argument("--output", type=Path, required=True, help="csv file to write")
    args = parser.parse_args(argv)
    start(args)
    split = pd.read_csv(args.split)
    training = split.loc[split["split"] == "train", "eid"]
    labels = pd.read_parquet(args.labels, columns=["eid", args.target])
    try:
        subset = balanced_subsets(
            labels[labels["eid"].isin(training)],
            args.target,
            fraction=args.fraction,
            minimum_pairs=args.settings["minimum_pairs"],
            seed=args.settings["seed"],
            draws=args.settings["draws"],
        )
        drawn = of_draw(subset, 0)
        logging.info("%s, %g %%: %d subjects, half of them positive", args.target, args.fraction, len(drawn))
    except InputError as error:
        subset = pd.DataFrame({"eid": [], "label": []}, dtype="int64")
        logging.warning("%s; its fits are skipped, the other ones go on", error)
    with atomic(args.output) as path:
        subset.to_csv(path, index=False)


if __name__ == "__main__":
    run(main)

"""Stop the run if a target's training subsets are not nested, balanced 1:1 and from train alone (§V-D).

Output: TARGET.json, the subjects of each fraction.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.data.labels import split_eids
from cmr2ecg.data.leakage import check_nested, check_subset
from cmr2ecg.data.subsets import draws_of, of_draw
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import write_json


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--target", required=True, help="label column: cad, af or dm")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--subsets", type=Path, nargs="+", required=True, help="TARGET_FRACTION.csv of balance_subset")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args(argv)
    start(args)
    train = split_eids(args.split, "train")
    labels = pd.read_parquet(args.labels, columns=["eid", args.target]).set_index("eid")[args.target]
    subsets = [(fraction_of(path), pd.read_csv(path)) for path in args.subsets]
    for draw in range(max(draws_of(subset) for _, subset in subsets)):
        drawn = [(fraction, of_draw(subset, draw)) for fraction, subset in subsets]
        for path, (_, subset) in zip(args.subsets, drawn, strict=True):
            check_subset(subset, train, labels, path.name)
        check_nested(drawn, args.target)
    sizes = {f"{fraction:g}": len(of_draw(subset, 0)) for fraction, subset in sorted(subsets, key=lambda x: -x[0])}
    write_json(args.output, {"target": args.target, "train": len(train), "subjects_by_percent": sizes})
    logging.info("%s: nested, balanced and from train alone: %s", args.target, sizes)


def fraction_of(path: Path) -> float:
    """Return the percent in a subset's name, such as cad_10.csv."""
    return float(path.stem.rsplit("_", 1)[1])


if __name__ == "__main__":
    run(main)

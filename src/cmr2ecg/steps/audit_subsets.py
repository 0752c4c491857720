"""Stop the run if a target's subsets are not nested, from train alone and, of a disease, balanced as asked (§V-D).

Output: TARGET.json, the subjects of each fraction.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.cohort.leakage import check_labelled, check_nested, check_random
from cmr2ecg.cohort.subsets import draws_of, of_draw
from cmr2ecg.loading.labels import output_values, split_eids
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import write_json
from cmr2ecg.study.targets import is_regression


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    parser.add_argument("--balance", choices=["pairs", "natural"], default="pairs", help="as in balance_subset.balance")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--values", type=Path, required=True, help="labels.parquet, for phenotypes phenotypes.parquet")
    parser.add_argument("--subsets", type=Path, nargs="+", required=True, help="TARGET_FRACTION.csv of balance_subset")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args(argv)
    start(args)
    train = split_eids(args.split, "train")
    check = checker(args.target, args.values, train, args.balance == "pairs")
    subsets = [(fraction_of(path), pd.read_csv(path)) for path in args.subsets]
    for draw in range(max(draws_of(subset) for _, subset in subsets)):
        drawn = [(fraction, of_draw(subset, draw)) for fraction, subset in subsets]
        for path, (_, subset) in zip(args.subsets, drawn, strict=True):
            check(subset, path.name)
        check_nested(drawn, args.target)
    sizes = {f"{fraction:g}": len(of_draw(subset, 0)) for fraction, subset in sorted(subsets, key=lambda x: -x[0])}
    write_json(args.output, {"target": args.target, "train": len(train), "subjects_by_percent": sizes})
    logging.info("%s: nested and from train alone: %s", args.target, sizes)


def checker(target: str, table: Path, train: np.ndarray, pairs: bool) -> Callable[[pd.DataFrame, str], None]:
    """Return the check of one draw of a subset, which takes the subset and its name."""
    if is_regression(target):
        measured = train[~np.isnan(output_values(table, target, train)).all(axis=1)]
        return lambda subset, name: check_random(subset, train, measured, name)
    there = pd.read_parquet(table).set_index("eid")
    labels = there[target] if target in there else pd.Series(dtype="int64")  # its subsets are empty then
    return lambda subset, name: check_labelled(subset, train, labels, name, pairs)


def fraction_of(path: Path) -> float:
    """Return the percent in a subset's name, such as cad_10.csv."""
    return float(path.stem.rsplit("_", 1)[1])


if __name__ == "__main__":
    run(main)

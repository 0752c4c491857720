"""Copy the split and the tables without the test subjects: all that a sweep over settings may look at.

What a sweep is never given it cannot read, so no choice of settings can depend on the test split (§IV-A).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic

TABLES = ("covariates", "labels", "phenotypes")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{name}.parquet of read_tabular")
    parser.add_argument("--output", type=Path, required=True, help="folder for files of the same names")
    args = parser.parse_args(argv)
    start(args)
    split = pd.read_csv(args.split)
    split = split[split["split"].isin(["train", "val"])].sort_values("eid", ignore_index=True)
    with atomic(args.output / "split.csv") as partial:
        split.to_csv(partial, index=False)
    for name in TABLES:
        table = pd.read_parquet(getattr(args, name))
        seen = table[table["eid"].isin(split["eid"])].sort_values("eid", ignore_index=True)
        with atomic(args.output / f"{name}.parquet") as partial:
            seen.to_parquet(partial, index=False)


if __name__ == "__main__":
    run(main)

"""Write one of the paper's tables, our numbers beside the published ones, as csv, Markdown and LaTeX."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.command import run, start, step_parser
from cmr2ecg.evaluate.cells import NOT_RUN, make_cells
from cmr2ecg.evaluate.render import to_csv, to_latex, to_markdown
from cmr2ecg.evaluate.table_layouts import LAYOUTS
from cmr2ecg.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--table", type=int, choices=sorted(LAYOUTS), required=True, help="the paper's number")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.csv of the step evaluate")
    parser.add_argument("--cohort", default="unnamed", help="what the caption calls the subjects")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--md", type=Path, required=True)
    parser.add_argument("--tex", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)

    layout = LAYOUTS[args.table]
    cells = make_cells(layout, pd.read_csv(args.metrics))
    with atomic(args.csv) as partial:
        to_csv(layout, cells, args.cohort).to_csv(partial, index=False)
    for path, render in ((args.md, to_markdown), (args.tex, to_latex)):
        with atomic(path) as partial:
            partial.write_text(render(layout, cells, args.cohort), encoding="utf-8")
    missing = sum(cell.note == NOT_RUN for row in cells for cell in row)
    logging.info("table %s: %d cells, %d not run", layout.roman, sum(map(len, cells)), missing)


if __name__ == "__main__":
    run(main)

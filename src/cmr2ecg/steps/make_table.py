"""Write a table as csv, Markdown, LaTeX and HTML: one of the paper's, the published numbers beside ours, or another."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.metrics.retrieval import COLUMNS as RETRIEVAL_COLUMNS
from cmr2ecg.report.maps.heatmap import COLUMNS as HEATMAP_COLUMNS
from cmr2ecg.report.tables.cells import NOT_RUN, make_cells
from cmr2ecg.report.tables.formats import Table, latex, markdown, page
from cmr2ecg.report.tables.paper_table import paper_table, to_csv
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS, Layout, with_own_diseases
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic

SCORED = {"heatmap": HEATMAP_COLUMNS, "retrieval": RETRIEVAL_COLUMNS}  # files of the step score_heatmap
EVALUATED = (  # files of the step evaluate
    *("metrics", "intervals", "comparisons", "adjusted_comparisons", "analyses", "calibration"),
    *("skipped", "models", "untrained"),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    names = [*map(str, sorted(LAYOUTS)), *SUPPLEMENTS]
    parser.add_argument("--table", choices=names, required=True, help="the paper's number, or a further table's name")
    parser.add_argument("--evaluated", type=Path, required=True, help="folder of the step evaluate")
    for name in SCORED:
        parser.add_argument(f"--{name}", type=Path, help=f"{name}.csv of the step score_heatmap, where it was run")
    parser.add_argument("--cohort", default="unnamed", help="what the caption calls the subjects")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--md", type=Path, required=True)
    parser.add_argument("--tex", type=Path, required=True)
    parser.add_argument("--html", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)
    tables = {name: pd.read_csv(args.evaluated / f"{name}.csv") for name in EVALUATED}
    for name, columns in SCORED.items():
        path = getattr(args, name)
        tables[name] = pd.read_csv(path) if path else pd.DataFrame(columns=columns)
    if args.table.isdigit():
        data, table = papers(LAYOUTS[int(args.table)], tables, args.cohort)
    else:
        sheet = SUPPLEMENTS[args.table](tables)
        data, table = sheet.data, sheet.table(args.table, args.cohort)
        logging.info("table %s: %d rows", args.table, len(sheet.rows))
    with atomic(args.csv) as partial:
        data.to_csv(partial, index=False)
    texts = {args.md: markdown(table), args.tex: latex(table), args.html: page(f"Table {table.name}", {"": table})}
    for path, text in texts.items():
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")


def papers(layout: Layout, tables: Mapping[str, pd.DataFrame], cohort: str) -> tuple[pd.DataFrame, Table]:
    """Return a table of the paper as csv and as it is printed."""
    fitted = {encoder for name in ("metrics", "skipped") for encoder in tables[name]["encoder"]}
    layout = with_own_diseases(layout.with_fitted(fitted), tables["metrics"], tables["skipped"])
    cells = make_cells(layout, *(tables[name] for name in ("metrics", "skipped", "models", "untrained")))
    missing = sum(cell.note == NOT_RUN for row in cells for cell in row)
    logging.info("table %s: %d cells, %d not run", layout.roman, sum(map(len, cells)), missing)
    return to_csv(layout, cells, cohort), paper_table(layout, cells, cohort)


if __name__ == "__main__":
    run(main)

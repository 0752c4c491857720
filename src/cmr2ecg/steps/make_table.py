"""Write a table as csv, Markdown, LaTeX and HTML: one of the paper's, the published numbers beside ours, or another."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.report.html_page import paper_html, sheet_html
from cmr2ecg.report.maps.heatmap import COLUMNS as HEATMAP_COLUMNS
from cmr2ecg.report.tables.cells import NOT_RUN, make_cells
from cmr2ecg.report.tables.render import to_csv, to_latex, to_markdown
from cmr2ecg.report.tables.sheet_text import sheet_latex, sheet_markdown
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS, with_own_diseases
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic

EVALUATED = ("metrics", "intervals", "comparisons", "adjusted_comparisons", "analyses", "calibration", "skipped")
EVALUATED += ("models", "untrained")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    names = [*map(str, sorted(LAYOUTS)), *SUPPLEMENTS]
    parser.add_argument("--table", choices=names, required=True, help="the paper's number, or a further table's name")
    parser.add_argument("--evaluated", type=Path, required=True, help="folder of the step evaluate")
    parser.add_argument("--heatmap", type=Path, help="heatmap.csv of the step score_heatmap, where it was run")
    parser.add_argument("--cohort", default="unnamed", help="what the caption calls the subjects")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--md", type=Path, required=True)
    parser.add_argument("--tex", type=Path, required=True)
    parser.add_argument("--html", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)
    tables = {name: pd.read_csv(args.evaluated / f"{name}.csv") for name in EVALUATED}
    tables["heatmap"] = pd.read_csv(args.heatmap) if args.heatmap else pd.DataFrame(columns=HEATMAP_COLUMNS)
    data, *texts = paper_table(args, tables) if args.table.isdigit() else further_table(args, tables)
    with atomic(args.csv) as partial:
        data.to_csv(partial, index=False)
    for path, text in zip((args.md, args.tex, args.html), texts, strict=True):
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")


def paper_table(args: argparse.Namespace, tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, *tuple[str, ...]]:
    """Return a table of the paper as csv, Markdown, LaTeX and HTML."""
    fitted = {encoder for name in ("metrics", "skipped") for encoder in tables[name]["encoder"]}
    layout = LAYOUTS[int(args.table)].with_fitted(fitted)
    layout = with_own_diseases(layout, tables["metrics"], tables["skipped"])
    cells = make_cells(layout, *(tables[name] for name in ("metrics", "skipped", "models", "untrained")))
    missing = sum(cell.note == NOT_RUN for row in cells for cell in row)
    logging.info("table %s: %d cells, %d not run", layout.roman, sum(map(len, cells)), missing)
    return tuple(render(layout, cells, args.cohort) for render in (to_csv, to_markdown, to_latex, paper_html))


def further_table(args: argparse.Namespace, tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, *tuple[str, ...]]:
    """Return a supplementary table as csv, Markdown, LaTeX and HTML."""
    sheet = SUPPLEMENTS[args.table](tables)
    logging.info("table %s: %d rows", args.table, len(sheet.rows))
    formats = (sheet_markdown, sheet_latex, sheet_html)
    return sheet.data, *(render(args.table, sheet, args.cohort) for render in formats)


if __name__ == "__main__":
    run(main)

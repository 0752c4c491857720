"""Write what a run was: models that were not trained, its settings, versions, and every training's time and memory.

Outputs: run.html, for the report, and run.csv, one row a training.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd
import yaml

from cmr2ecg.report.costs import COST_COLUMNS, cost_of, versions_of
from cmr2ecg.report.html_page import page, table_html
from cmr2ecg.report.provenance import model_name
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="result.json of every training")
    parser.add_argument("--untrained", type=Path, required=True, help="untrained.csv of the step evaluate")
    parser.add_argument("--html", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)
    costs = pd.DataFrame([cost_of(path) for path in args.results], columns=COST_COLUMNS)
    versions = Counter(pair for path in args.results for pair in versions_of(path).items())
    with atomic(args.csv) as partial:
        costs.to_csv(partial, index=False)
    body = [
        "<h2>Models that were not trained</h2>",
        untrained_html(pd.read_csv(args.untrained)),
        "<h2>Versions</h2>",
        table_html(
            "What the trainings ran on; more than one line a package if a run was resumed after an update.",
            ["Package", "Version", "Trainings"],
            [[escape(name), escape(version), str(count)] for (name, version), count in sorted(versions.items())],
            left=2,
        ),
        "<h2>Time and memory</h2>",
        table_html(
            "Every training: wall time in seconds, largest resident memory in MB, parameters, absolute learning rate.",
            COST_COLUMNS,
            [[escape(shown(value)) for value in row] for row in costs.itertuples(index=False)],
            left=2,
        ),
        "<h2>Settings</h2>",
        f"<pre>{escape(yaml.safe_dump(args.settings, sort_keys=False, allow_unicode=True, width=110))}</pre>",
    ]
    with atomic(args.html) as partial:
        partial.write_text(page("Untrained models, settings, versions, run times", "\n".join(body)), encoding="utf-8")


def untrained_html(untrained: pd.DataFrame) -> str:
    """Return a table of the marked models with their reasons; "None." where there is none."""
    if untrained.empty:
        return "<p>None.</p>"
    return table_html(
        "Marked by their training and the validation split (docs/evaluation.md); tables have a footnote, and no claim "
        "is tested on them.",
        ["Model", "Reasons"],
        [[escape(model_name(key)), escape(reason)] for *key, reason in untrained.itertuples(index=False)],
        left=2,
    )


def shown(value: object) -> str:
    """Return a cell's text."""
    return "" if pd.isna(value) else f"{value:,.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)

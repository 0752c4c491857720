"""Write what a run was: models that were not trained, its settings, versions, and every training's time and memory.

Outputs: run.html, for the report, and run.csv, one row a training.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cmr2ecg.report.costs import COST_COLUMNS, cost_of, versions_of
from cmr2ecg.report.provenance import model_name
from cmr2ecg.report.tables.formats import Table, page
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
    parts: dict[str, Table | str] = {
        "Models that were not trained": untrained_table(pd.read_csv(args.untrained)),
        "Versions": Table(
            name="",
            caption="What the trainings ran on; more than one line a package if a run was resumed after an update.",
            head=["Package", "Version", "Trainings"],
            rows=[[name, version, str(count)] for (name, version), count in sorted(versions.items())],
            left=2,
        ),
        "Time and memory": Table(
            name="",
            caption="Every training: wall time in seconds, largest resident memory in MB, parameters, absolute "
            "learning rate.",
            head=COST_COLUMNS,
            rows=[[*map(shown, row)] for row in costs.itertuples(index=False)],
            left=2,
        ),
        "Settings": yaml.safe_dump(args.settings, sort_keys=False, allow_unicode=True, width=110),
    }
    with atomic(args.html) as partial:
        partial.write_text(page("Untrained models, settings, versions, run times", parts), encoding="utf-8")


def untrained_table(untrained: pd.DataFrame) -> Table:
    """Return the marked models with their reasons."""
    return Table(
        name="",
        caption="Marked by their training and the validation split (docs/evaluation.md); tables have a footnote, and "
        "no claim is tested on them.",
        head=["Model", "Reasons"],
        rows=[[model_name(tuple(key)), reason] for *key, reason in untrained.itertuples(index=False)],
        left=2,
        empty="None.",
    )


def shown(value: Any) -> str:
    """Return a cell's text."""
    return "" if pd.isna(value) else f"{value:,.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)

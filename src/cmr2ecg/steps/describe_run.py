"""Write what a run was: its summary, models not trained, settings, versions, and every training's time and memory.

Outputs: summary.html, the first page of the report; headline.txt, which the run ends with, empty without the table
`headline`; run.html, the last page of the report; run.csv, one row a training.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cmr2ecg.report.costs import COST_COLUMNS, cost_of, versions_of
from cmr2ecg.report.provenance import model_name
from cmr2ecg.report.summary_page import summary_page
from cmr2ecg.report.tables.formats import Table, page
from cmr2ecg.report.tables.headline import COLUMNS, plain_text
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--paper", type=json.loads, required=True, help="the paper's settings, shown beside the run's")
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="result.json of every training")
    parser.add_argument("--untrained", type=Path, required=True, help="untrained.csv of the step evaluate")
    parser.add_argument("--flow", type=Path, required=True, help="flow.csv of the step assemble_dataset")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--headline", type=Path, help="csv of the table headline, where it was made")
    parser.add_argument("--summary", type=Path, required=True, help="summary.html")
    parser.add_argument("--text", type=Path, required=True, help="headline.txt")
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
    data = read_headline(args.headline)
    sides = pd.read_csv(args.flow), pd.read_csv(args.split)["split"], pd.read_csv(args.untrained)
    texts = {
        args.html: page("Untrained models, settings, versions, run times", parts),
        args.summary: summary_page(args.settings, args.paper, *sides, data),
        args.text: "".join(f"{line}\n" for line in plain_text(data)),
    }
    for path, text in texts.items():
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")


def read_headline(path: Path | None) -> pd.DataFrame:
    """Return the csv of the table `headline` with its empty words as such; without rows if it was not made."""
    if path is None:
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path).fillna(dict.fromkeys(("other_fit", "other_encoder", "marked"), ""))


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

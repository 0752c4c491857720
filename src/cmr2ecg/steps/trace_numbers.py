"""Write provenance.json: for each number in each table the predictions, seeds, settings, code and commit it came from.

Content: `evaluate` (settings of the scoring and SHA-256 of its inputs), `untrained`, `heatmap`, `retrieval` and
`tables` (SHA-256 of each csv), `numbers` (a row of a table, its numbers, and the models behind them), `models` (files,
seeds, commit, code, inputs, packages) and `settings` (by digest). It holds no participant.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.report.provenance import describe_models, numbers_of, settings_of
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import sha256, write_json

SCORED = ("heatmap", "retrieval")
SIDES = ("split", "labels", "covariates", "dates", "visits")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions.parquet files")
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="result.json of each, in the same order")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="csv files of make_table")
    for name in SIDES:
        parser.add_argument(f"--{name}", type=Path, required=True, help="what evaluate read beside the predictions")
    parser.add_argument("--untrained", type=Path, required=True, help="untrained.csv of the step evaluate")
    for name in SCORED:
        parser.add_argument(f"--{name}", type=Path, help=f"{name}.csv of score_heatmap, where it was run")
    parser.add_argument("--cohort", required=True, help="its name")
    parser.add_argument("--output", type=Path, required=True, help="provenance.json")
    args = parser.parse_args(argv)
    start(args)

    models = describe_models(args.predictions, args.results)
    sides = {name: getattr(args, name) for name in SIDES}
    numbers = []
    for path in args.tables:
        name = path.stem.removeprefix("table_")
        numbers += numbers_of(name, pd.read_csv(path, keep_default_na=False, na_values=[""]), models)
    write_json(
        args.output,
        {
            "cohort": args.cohort,
            "evaluate": {
                "settings": args.settings,
                "inputs": {name: named(path) for name, path in sides.items()},
            },
            "untrained": named(args.untrained),
            **{name: named(path) if (path := getattr(args, name)) else None for name in SCORED},
            "tables": {str(path): sha256(path) for path in args.tables},
            "numbers": numbers,
            "models": models,
            "settings": settings_of(args.results),
        },
    )
    logging.info("%d rows of %d tables traced to %d models", len(numbers), len(args.tables), len(models))


def named(path: Path) -> dict[str, str]:
    """Return a file's path and SHA-256."""
    return {"path": str(path), "sha256": sha256(path)}


if __name__ == "__main__":
    run(main)

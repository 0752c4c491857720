"""Import every training, sweep, the test metrics, the tables, the figures and the releases into an MLflow database.

One experiment a stage, one run a training, named like its folder; a sweep is a run with one below it for each trial. A
release is a registered model, which `mlflow models predict -m models:/cmr2ecg-COHORT-NAME/1` runs.
Running it again replaces what changed and adds nothing twice. Look at it with
`mlflow ui --backend-store-uri sqlite:///PATH/mlflow.db`.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.failures import naming
from cmr2ecg.runtime.files import write_json
from cmr2ecg.tracking.mlflow_runs import Tracker
from cmr2ecg.tracking.sweep_runs import read_sweep
from cmr2ecg.tracking.training_runs import read_run


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="result.json of every training")
    parser.add_argument("--sweeps", type=Path, nargs="*", default=[], help="result.json of every sweep")
    parser.add_argument("--artifacts", type=Path, nargs="*", default=[], help="tables and figures to show")
    parser.add_argument("--releases", type=Path, nargs="*", default=[], help="SHA256SUMS of every release")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.csv of the step evaluate")
    parser.add_argument("--database", type=Path, required=True, help="mlflow.db; kept and updated if it exists")
    parser.add_argument("--artifact-root", type=Path, required=True, help="folder for the copies of the artifacts")
    parser.add_argument("--cohort", default="unnamed", help="first part of the experiments' names")
    parser.add_argument("--output", type=Path, required=True, help="tracked.json: how many runs were imported")
    args = parser.parse_args(argv)
    start(args)

    metrics = pd.read_csv(args.metrics)
    trainings = [read_run(path, metrics) for path in args.runs]
    with naming(args.database):
        tracker = Tracker(args.database, args.artifact_root, args.cohort)
        for training in trainings:
            tracker.add_training(training)
        for path in args.sweeps:
            tracker.add_sweep(*read_sweep(path))
        if args.artifacts:
            tracker.add_report("tables and figures", str(args.output.parent), args.artifacts)
        for path in args.releases:
            tracker.add_release(path.parent)
    counts = tracker.counts()
    write_json(args.output, {"runs": sum(counts.values()), "experiments": counts})
    logging.info("%d runs in %d experiments of %s", sum(counts.values()), len(counts), args.database)


if __name__ == "__main__":
    run(main)

"""Score every model's predictions: the one step that reads the test rows (§IV-D.2).

Writes one AUROC a model, split and seed, and, for the test split, mean, std over seeds and a 95 % interval from
resampled subjects. Models that were tested on different subjects stop the step.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.command import InputError, run, start, step_parser
from cmr2ecg.evaluate.predictions import check_same_subjects, identify, read_predictions
from cmr2ecg.evaluate.scores import interval_table, seed_metrics
from cmr2ecg.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions.parquet files")
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="result.json of each, in the same order")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.csv: one row a model, split and seed")
    parser.add_argument("--intervals", type=Path, required=True, help="intervals.csv: one row a model")
    args = parser.parse_args(argv)
    start(args)

    n_train = training_sizes(args.predictions, args.results)
    predictions = [entry for path in args.predictions for entry in read_predictions(path)]
    check_same_subjects(predictions)
    metrics = seed_metrics(predictions)
    intervals = interval_table(predictions, n_train, args.settings["bootstrap"], args.settings["seed"])
    for table, path in ((metrics, args.metrics), (intervals, args.intervals)):
        with atomic(path) as partial:
            table.to_csv(partial, index=False)
    logging.info("scored %d models on the test split", len(intervals))
    if undefined := int(intervals["mean"].isna().sum()):
        logging.warning("%d of them have no AUROC: their test split holds one class only", undefined)


def training_sizes(predictions: Sequence[Path], results: Sequence[Path]) -> dict[tuple[str, str, int], int]:
    """Return {(encoder, target, fraction): n_train} from result.json files that lie beside the predictions."""
    if results and len(results) != len(predictions):
        raise InputError(f"--results: {len(results)} files for {len(predictions)} files in --predictions")
    sizes = {}
    for path, result in zip(predictions, results, strict=False):
        model = identify(path)
        if identify(result) != model:
            raise InputError(f"--results: {result} does not belong to {path}; give both lists in the same order")
        sizes[model] = int(json.loads(result.read_text())["n_train"])
    return sizes


if __name__ == "__main__":
    run(main)

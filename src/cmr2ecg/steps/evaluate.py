"""Score every model's predictions: the one step that reads the test rows (§IV-D.2).

Writes, into one folder: metrics.csv (a row a model, split, seed and output), and for the test split intervals.csv
(mean, std over seeds, 95 % interval over subjects and training runs), comparisons.csv (paired differences of the
multi-reader analysis and DeLong's test, with Holm's correction), adjusted_comparisons.csv (those of phenotypes beyond
age, sex and body size), analyses.csv (by sex and age, beyond age, sex and
body size, prevalent and incident disease), calibration.csv and calibration_curve.csv (risks with label smoothing undone
and the prior put right), skipped.csv (fits that could not be made), models.csv (how each model's settings were found)
and untrained.csv (models that were not trained, by the validation split and what result.json says).
Intervals are over people where a person has several recordings. Of every group of diseases in evaluate.macro the mean
over its diseases is scored as a target of its own.
metrics, intervals and comparisons also have the ECG encoders stacked with age, sex, weight and height, which are
fitted here, on the validation split. Models that were tested on different subjects stop the step.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.loading.labels import rows_for, split_eids
from cmr2ecg.metrics.analyses import ANALYSIS_COLUMNS, adjusted, analyse
from cmr2ecg.metrics.calibration import CALIBRATION_COLUMNS, CURVE_COLUMNS, calibrate
from cmr2ecg.metrics.macro import macro_predictions, marked_members, models_of_all
from cmr2ecg.metrics.predictions import check_same_subjects, identify, read_predictions
from cmr2ecg.metrics.scores import (
    COMPARISON_COLUMNS,
    METRIC_COLUMNS,
    MODEL_COLUMNS,
    SUMMARY_COLUMNS,
    Scored,
    comparison_table,
    group_outputs,
    interval_row,
    seed_metrics,
)
from cmr2ecg.metrics.stacking import stacked_models
from cmr2ecg.metrics.untrained import UNTRAINED_COLUMNS, Training, untrained_table
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.runtime.progress import Progress
from cmr2ecg.study.settings.report import Evaluate
from cmr2ecg.study.settings.validated import step_settings
from cmr2ecg.study.targets import is_regression

COLUMNS = {
    "metrics": METRIC_COLUMNS,
    "intervals": [*MODEL_COLUMNS, "split", *SUMMARY_COLUMNS, "n_train"],
    "comparisons": [*COMPARISON_COLUMNS, "p_value_holm", "p_delong_holm"],
    "adjusted_comparisons": [*COMPARISON_COLUMNS, "p_value_holm", "p_delong_holm"],
    "analyses": ANALYSIS_COLUMNS,
    "calibration": CALIBRATION_COLUMNS,
    "calibration_curve": CURVE_COLUMNS,
    "skipped": [*MODEL_COLUMNS, "reason"],
    "models": [*MODEL_COLUMNS, "tuned_trials"],
    "untrained": UNTRAINED_COLUMNS,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions.parquet files")
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="result.json of each, in the same order")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet")
    parser.add_argument("--covariates", type=Path, required=True, help="covariates.parquet")
    parser.add_argument("--dates", type=Path, required=True, help="dates.parquet")
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet, for who has several recordings")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args(argv)
    start(args)
    settings = step_settings(Evaluate, args.settings)

    trainings, skipped = read_results(args.predictions, args.results)
    by_target: dict[str, list[Path]] = defaultdict(list)
    for path in args.predictions:
        if identify(path) in trainings:
            by_target[identify(path)[2]].append(path)
    sides = {name: getattr(args, name) for name in ("covariates", "dates", "labels", "split")}
    people = several_recordings(args.visits)
    found: dict[str, list] = defaultdict(list)
    progress = Progress("evaluate", len(by_target))
    for target, paths in sorted(by_target.items()):
        for name, table in score_target(target, paths, trainings, sides, people, settings).items():
            found[name].append(table)
        progress.step()
    progress.close()
    for group, members in settings.macro.items():
        of_members = {member: by_target[member] for member in members if member in by_target}
        if len(of_members) == len(members):
            for name, table in score_macro(group, of_members, trainings, sides, people, settings).items():
                found[name].append(table)
            found["untrained"].append(marked_members(group, members, found["untrained"]))
    found["skipped"].insert(0, skipped)
    found["models"] = [model_table(trainings)]
    write_tables(args.output, found)
    marked = sum(map(len, found["untrained"]))
    counts = len(trainings), len(skipped), marked
    logging.info("scored %d models on the test split, %d could not be made, %d were not trained", *counts)


def score_target(
    target: str,
    paths: Sequence[Path],
    trainings: Mapping[tuple, Training],
    sides: Mapping[str, Path],
    people: Mapping[int, int],
    settings: Evaluate,
) -> dict[str, pd.DataFrame]:
    """Return the tables of all models of one target; people: {eid: whose recording it is}, empty if each is one."""
    predictions = [entry for path in paths for entry in read_predictions(path)]
    check_same_subjects(predictions)
    blocks = {key: training.blocks for key, training in trainings.items()}
    val, test = (group_outputs(predictions, split, blocks, people) for split in ("val", "test"))
    covariates, dates = (rows_for(sides[name], test[0].first.eid) for name in ("covariates", "dates"))
    stacked, not_stacked = stacked_models(val, test, sides["covariates"])
    sizes = {key: training.n_train for key, training in trainings.items()}
    sizes |= {model.first.model: int(val[0].known.sum()) for model in stacked}
    tables = common_tables(val, test, stacked, sizes, covariates, dates, settings) | {
        "untrained": untrained_table(val, trainings, settings.untrained.minimum_steps),
        "skipped": pd.DataFrame(not_stacked, columns=COLUMNS["skipped"]),
    }
    if is_regression(target):
        beyond = {model.first.model: adjusted(model, covariates) for model in test}
        tables["adjusted_comparisons"] = comparison_table(beyond, dict(settings.margin))
    else:
        prevalence = train_prevalence(sides, target)
        judged = calibrate(test, prevalence, settings.calibration_bins, trainings)
        tables["calibration"], tables["calibration_curve"] = judged
    return tables


def score_macro(
    group: str,
    of_members: Mapping[str, Sequence[Path]],
    trainings: Mapping[tuple, Training],
    sides: Mapping[str, Path],
    people: Mapping[int, int],
    settings: Evaluate,
) -> dict[str, pd.DataFrame]:
    """Return the tables of a group of diseases: of each model that has all of them, the mean AUROC over them.

    of_members: disease -> files of its predictions. A model's training set counts as the largest of theirs.

    Raises:
        InputError: if the diseases were tested on different subjects.
    """
    models = models_of_all(group, of_members)
    predictions = macro_predictions(group, models)
    of_model = {key: [trainings[identify(path)] for path in of.values()] for key, of in models.items()}
    blocks = {key: of[0].blocks for key, of in of_model.items()}
    sizes = {key: max(training.n_train for training in of) for key, of in of_model.items()}
    val, test = (group_outputs(predictions, split, blocks, people) for split in ("val", "test"))
    if not test:
        return {}
    covariates, dates = (rows_for(sides[name], test[0].first.eid) for name in ("covariates", "dates"))
    return common_tables(val, test, [], sizes, covariates, dates, settings)


def common_tables(
    val: Sequence[Scored],
    test: Sequence[Scored],
    stacked: Sequence[Scored],
    sizes: Mapping[tuple, int],
    covariates: pd.DataFrame,
    dates: pd.DataFrame,
    settings: Evaluate,
) -> dict[str, pd.DataFrame]:
    """Return the tables that every target has; sizes: training subjects of every model on test or stacked."""
    by_model = {model.first.model: model for model in (*test, *stacked)}
    analyses = [row for model in test for row in analyse(model, covariates, dates, age_bands=settings.age_bands)]
    return {
        "metrics": seed_metrics([*val, *test, *stacked]),
        "intervals": pd.DataFrame([interval_row(model, sizes[key]) for key, model in by_model.items()]),
        "comparisons": comparison_table(by_model, dict(settings.margin)),
        "analyses": pd.DataFrame(analyses, columns=ANALYSIS_COLUMNS),
    }


def several_recordings(visits: Path) -> dict[int, int]:
    """Return {eid: whose recording it is}, or nothing where every person has one."""
    table = pd.read_parquet(visits, columns=["eid", "subject"])
    once = table["subject"].is_unique
    return {} if once else dict(zip(table["eid"].tolist(), table["subject"].tolist(), strict=True))


def train_prevalence(sides: Mapping[str, Path], target: str) -> float:
    """Return the share of the train split that has a disease: the prior of the population the models are used in."""
    return float(rows_for(sides["labels"], split_eids(sides["split"], "train"))[target].mean())


def read_results(predictions: Sequence[Path], results: Sequence[Path]) -> tuple[dict[tuple, Training], pd.DataFrame]:
    """Return {model: its training}, and the fits that could not be made with the reason."""
    if len(results) != len(predictions):
        raise InputError(f"--results: {len(results)} files for {len(predictions)} files in --predictions")
    trainings, skipped = {}, []
    for path, file in zip(predictions, results, strict=True):
        model = identify(path)
        if identify(file) != model:
            raise InputError(f"--results: {file} does not belong to {path}; give both lists in the same order")
        result = json.loads(file.read_text())
        if result.get("skipped"):
            skipped.append((*model, result["skipped"]))
        else:
            trainings[model] = Training.of(result)
    return trainings, pd.DataFrame(skipped, columns=COLUMNS["skipped"])


def model_table(trainings: Mapping[tuple, Training]) -> pd.DataFrame:
    """Return a row a model with its number of trials, empty where result.json does not say it."""
    rows = [(*key, training.tuned_trials) for key, training in trainings.items()]
    return pd.DataFrame(rows, columns=COLUMNS["models"]).astype({"tuned_trials": "Int64"})


def write_tables(folder: Path, found: Mapping[str, Sequence[pd.DataFrame]]) -> None:
    """Write every table, also one without rows, as <name>.csv."""
    for name, columns in COLUMNS.items():
        parts = [table for table in found[name] if len(table)]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
        with atomic(folder / f"{name}.csv") as partial:
            table.reindex(columns=columns).to_csv(partial, index=False, float_format="%.10g")


if __name__ == "__main__":
    run(main)

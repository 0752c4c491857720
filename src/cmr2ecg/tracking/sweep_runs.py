"""A sweep for the tracker: one run for the sweep, with one child run per trial."""

import json
from collections import defaultdict
from pathlib import Path

import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tracking.training_runs import TrainingRun, flatten

STAGE = "sweep"


def read_sweep(result_path: Path) -> tuple[TrainingRun, list[TrainingRun]]:
    """Return the sweep that wrote result.json, and its trials with their scores by epoch from curves.csv in its folder.

    Raises:
        InputError: if a file is not an output of the select step.
    """
    try:
        result = json.loads(result_path.read_text())
        curves = _curves(result_path.with_name("curves.csv"), result["metric"])
        finished_at = result_path.stat().st_mtime
        about = {key: result[key] for key in ("encoder", "target", "strategy")}
        tags = {"step": result["step"], "commit": str(result["provenance"]["commit"])}
        trials = [
            TrainingRun(
                name=f"{result['name']} {trial['trial']}",
                stage=STAGE,
                output=f"{result_path.parent}#{trial['trial']}",
                finished_at=finished_at,
                parameters=flatten({**about, **trial["settings"]}),
                numbers=_numbers(trial, result["metric"], result["seconds"]),
                curves=curves.get(trial["trial"], []),
                tags={**tags, "rung": str(trial["rung"])},
            )
            for trial in result["all_trials"]
        ]
        chosen = result["chosen"]
        parent = TrainingRun(
            name=f"sweep {result['name']}",
            stage=STAGE,
            output=str(result_path.parent),
            finished_at=finished_at,
            parameters=flatten({**about, "chosen": chosen["settings"] if chosen else {}}),
            numbers={
                "trials": float(result["trials"]),
                **({} if result["startup_share"] is None else {"startup_share": float(result["startup_share"])}),
                "training_seconds": float(sum(result["seconds"].values())),
                **(_numbers(chosen, result["metric"], {}) if chosen else {}),
            },
            curves=[],
            tags={**tags, "trials": " ".join(sorted(trial.digest()[:12] for trial in trials))},
        )
    except (KeyError, TypeError, OSError, json.JSONDecodeError) as error:
        raise InputError(f"{result_path}: not a result of a sweep ({error}); delete it and run select again") from error
    return parent, trials


def _numbers(trial: dict, metric: str, seconds: dict[str, float]) -> dict[str, float]:
    """Return the validation score, and the time of training over seeds."""
    numbers = {} if trial["score"] is None else {f"best_val_{metric}": float(trial["score"])}
    spent = [value for name, value in seconds.items() if name.split("/")[0] == trial["trial"]]
    return numbers | ({"training_seconds": float(sum(spent))} if spent else {})


def _curves(path: Path, metric: str) -> dict[str, list[tuple[str, int, float]]]:
    """Return each trial's validation score by epoch, averaged over the seeds that reached it."""
    table = pd.read_csv(path, dtype={"trial": str})
    points: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    means = table.groupby(["trial", "epoch"], as_index=False)["score"].mean()
    for trial, epoch, value in means[["trial", "epoch", "score"]].itertuples(index=False):
        points[trial].append((f"val_{metric}", int(epoch), float(value)))
    return points

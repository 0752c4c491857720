"""A training's result.json and metrics.jsonl for the tracker: parameters, curves, numbers and tags."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.metrics.scores import MEAN_OUTPUT
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import sha256 as file_sha256

STAGES = {"finetune": "finetune", "probe": "probe", "train_tabular": "baseline"}  # other steps are pre-trainings
PROVENANCE_NUMBERS = ("wall_seconds", "peak_memory_mb")
# Files of a cohort among a training's inputs, and their roles; subsets' names contain their size.
ROLES = {"dataset.h5": "signals and images", "split.csv": "split", "labels.parquet": "labels"}
ROLES |= {"phenotypes.parquet": "phenotypes", "covariates.parquet": "covariates"}
SHARED = "learning_rate"  # the schedule is the same for every seed, so one curve is enough


@dataclass(frozen=True)
class TrainingRun:
    """One training: name, stage, folder of its outputs, and content; `finished_at` is a Unix time in seconds."""

    name: str
    stage: str
    output: str
    finished_at: float
    parameters: dict[str, str]
    numbers: dict[str, float]
    curves: list[tuple[str, int, float]]  # (metric, epoch, value)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[tuple[str, str, str]] = field(default_factory=list)  # (role, path, SHA-256)

    def digest(self) -> str:
        """Return a SHA-256 of all content, so that an unchanged run can be kept."""
        shown = [self.name, self.stage, self.parameters, self.numbers, self.curves, self.tags, self.datasets]
        return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def read_run(result_path: Path, metrics: pd.DataFrame) -> TrainingRun:
    """Return the training that wrote result.json and metrics.jsonl in its folder; metrics is metrics.csv.

    Only settings, counts and averages are read, never predictions, so that no participant id is included.
    Raises InputError if a file is not an output of a training step.
    """
    try:
        result = json.loads(result_path.read_text())
        provenance = result["provenance"]
        return TrainingRun(
            name=result["name"],
            stage=STAGES.get(result["step"], "pretrain"),
            output=str(result_path.parent),
            finished_at=result_path.stat().st_mtime,
            parameters=_parameters(result),
            numbers=_numbers(result, metrics),
            curves=list(read_curves(result_path.with_name("metrics.jsonl"))),
            tags={
                "step": result["step"],
                "commit": str(provenance["commit"]),
                "code": str(provenance["code"]),
                "inputs": json.dumps(provenance["inputs"], sort_keys=True),
                "packages": json.dumps(provenance["packages"], sort_keys=True),
                **_weights(result_path.parent),
            },
            datasets=[
                (ROLES[Path(path).name], path, digest)
                for path, digest in sorted(provenance["inputs"].items())
                if Path(path).name in ROLES
            ],
        )
    except (KeyError, json.JSONDecodeError) as error:
        raise InputError(
            f"{result_path}: not a result of a training ({error}); delete it and run its step again"
        ) from error


def read_curves(path: Path) -> Iterator[tuple[str, int, float]]:
    """Yield (metric, epoch, value) from lines of {"epoch": .., NAME: value, ..}, sorted by epoch.

    Lines with a seed give "NAME", the mean over the seeds that reached the epoch, and "NAME/seed_S" after it.
    Of a line written twice, as after a restart, the last is used.
    """
    by_epoch: dict[tuple[int, str], dict[int | None, float]] = defaultdict(dict)
    for text in path.read_text().splitlines():
        line = json.loads(text)
        epoch, seed = int(line.pop("epoch")), line.pop("seed", None)
        for name, value in line.items():
            by_epoch[epoch, name][seed] = float(value)
    points = sorted(by_epoch.items())
    for (epoch, name), values in points:
        yield name, epoch, float(np.mean(list(values.values())))
    for (epoch, name), values in points:
        if name != SHARED:
            seeds = sorted(seed for seed in values if seed is not None)
            yield from ((f"{name}/seed_{seed}", epoch, values[seed]) for seed in seeds)


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as {"augment.noise": "0.2"}; lists are written as JSON."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _weights(folder: Path) -> dict[str, str]:
    """Return the path and SHA-256 of every weights file of a training, as tags; MLflow gets no copy of them."""
    tags: dict[str, str] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tags |= {f"weights.{path.stem}": str(path), f"weights.{path.stem}.sha256": file_sha256(path)}
    return tags


def _parameters(result: dict[str, Any]) -> dict[str, str]:
    """Return settings, choices and inputs of the run: encoder, target, seeds, best epochs, device."""
    known = ("encoder", "target", "fraction", "n_train", "seed", "seeds", "best_epoch", "learning_rate")
    own: dict[str, Any] = {key: result[key] for key in known if key in result}
    run_on = {key: result["provenance"].get(key) for key in ("device", "precision", "threads")}
    return flatten(result["settings"]) | flatten(own) | flatten({"run_on": run_on})


def _numbers(result: dict[str, Any], metrics: pd.DataFrame) -> dict[str, float]:
    """Return the test AUROC, if the step evaluate scored the model, then validation, size and cost."""
    numbers = _test_numbers(result, metrics) if "target" in result else {}
    for name, values in result["validation"].items():
        numbers[f"best_val_{name}"] = float(np.mean(values))
    numbers["trainable_parameters"] = float(result["parameters"])
    numbers |= {key: float(result["provenance"][key]) for key in PROVENANCE_NUMBERS}
    return {name: value for name, value in numbers.items() if not np.isnan(value)}


def _test_numbers(result: dict[str, Any], metrics: pd.DataFrame) -> dict[str, float]:
    """Return {"test_auroc": mean over seeds, "test_auroc_std": sample standard deviation}, in 0..1."""
    test = metrics[
        (metrics["fit"] == result["step"])
        & (metrics["encoder"] == result["encoder"])
        & (metrics["target"] == result["target"])
        & (metrics["fraction"] == result["fraction"])
        & (metrics["split"] == "test")
        & metrics["output"].isin([result["target"], MEAN_OUTPUT])
    ]
    numbers = {}
    for name, values in test.groupby("metric")["value"]:
        numbers[f"test_{name}"] = float(values.mean(skipna=False))
        numbers[f"test_{name}_std"] = float(values.std(ddof=1, skipna=False))
    return numbers

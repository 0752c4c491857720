"""Several seeds in one job: each finished seed is kept in `seeds/` beside the output; only others are trained."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.files import atomic, write_json

log = logging.getLogger(__name__)

SeedResult = tuple[pd.DataFrame, list[dict], dict]
BY_STEPS = ("epochs", "epoch_limit", "steps", "best_step", "late_gain")  # what a summary says of a network's training
COLUMNS = {
    "seed": "int64",
    "eid": "int64",
    "split": "str",
    "output": "str",
    "y_true": "float64",
    "y_score": "float64",
}


def seed_stem(directory: Path, seed: int) -> Path:
    """Return where a seed's files are kept: .parquet predictions, .json summary, .safetensors weights."""
    return directory / "seeds" / str(seed)


def run_seeds(
    owners: Mapping[int, str], fit: Callable[[int], SeedResult], *, directory: Path, label: str
) -> list[SeedResult]:
    """Return fit(seed) for every seed, taking those from disk that the same owner has already finished.

    Args:
        owners: seed -> digest of everything its result depends on, without the other seeds.
        fit: returns predictions, the epochs' metrics and a summary.
        directory: the output folder; finished seeds stay in `seeds/`.
        label: for the progress lines.
    """
    clear_others(directory, owners)
    results = []
    for number, (seed, owner) in enumerate(owners.items(), start=1):
        result = load_seed(directory, seed)
        if result is None:
            started = time.monotonic()
            predictions, history, summary = fit(seed)
            result = predictions, history, {**summary, "seconds": round(time.monotonic() - started, 2)}
            save_seed(directory, seed, owner, result)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in result[2].items())
        log.info("%s: seed %d of %d: %s", label, number, len(owners), shown)
        results.append(result)
    return results


def save_seed(directory: Path, seed: int, owner: str, result: SeedResult) -> None:
    """Write a finished seed; the summary comes last and marks it as whole."""
    predictions, history, summary = result
    stem = seed_stem(directory, seed)
    with atomic(stem.with_suffix(".parquet")) as partial:
        predictions.to_parquet(partial, index=False)
    write_json(stem.with_suffix(".json"), {"owner": owner, "history": history, "summary": summary})


def load_seed(directory: Path, seed: int) -> SeedResult | None:
    """Return a finished seed, or None if there is none."""
    stem = seed_stem(directory, seed)
    if not (stem.with_suffix(".json").exists() and stem.with_suffix(".parquet").exists()):
        return None
    kept = json.loads(stem.with_suffix(".json").read_text())
    return pd.read_parquet(stem.with_suffix(".parquet")), kept["history"], kept["summary"]


def clear_others(directory: Path, owners: Mapping[int, str]) -> None:
    """Remove what is kept of other owners or seeds: a subject that has withdrawn since must be in no file."""
    folder = directory / "seeds"
    if not folder.is_dir():
        return
    own = {
        str(seed) for seed, owner in owners.items() if _owner(seed_stem(directory, seed).with_suffix(".json")) == owner
    }
    for path in folder.iterdir():
        if path.name.split(".")[0] not in own:
            path.unlink()


def _owner(path: Path) -> str | None:
    try:
        return json.loads(path.read_text())["owner"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def forget_seeds(directory: Path) -> None:
    """Remove all kept seeds."""
    shutil.rmtree(directory / "seeds", ignore_errors=True)
    (directory / "model.safetensors").unlink(missing_ok=True)


def write_outcome(directory: Path, results: Sequence[SeedResult], described: dict) -> None:
    """Write predictions.parquet (all seeds), metrics.jsonl and result.json.

    result.json is `described` plus, seed by seed, the validation metric and best epoch, of a network also its epochs
    and optimiser steps and the step of the best epoch, and the number of parameters.
    """
    summaries = [result[2] for result in results]
    metric = next(name.removeprefix("val_") for name in summaries[0] if name.startswith("val_"))
    outcome = {
        "validation": {metric: [summary[f"val_{metric}"] for summary in summaries]},
        "best_epoch": [summary["best_epoch"] for summary in summaries],
        **{name: [summary[name] for summary in summaries] for name in BY_STEPS if name in summaries[0]},
        "parameters": summaries[0]["parameters"],
    }
    predictions = pd.concat([result[0] for result in results], ignore_index=True)
    history = [row for result in results for row in result[1]]
    _write(directory, predictions, history, {**described, **outcome})


def write_skipped(directory: Path, described: dict, reason: str) -> None:
    """Write the three files of a fit that could not be had: no predictions, no metrics, and why.

    Tables show a dash with `skipped` as its footnote; kept seeds are of other inputs and go.
    """
    forget_seeds(directory)
    predictions = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    nothing = {"validation": {}, "best_epoch": [], "parameters": 0}
    _write(directory, predictions, [], {**described, **nothing, "skipped": reason})


def _write(directory: Path, predictions: pd.DataFrame, history: Sequence[dict], result: dict) -> None:
    with atomic(directory / "predictions.parquet") as partial:
        predictions.to_parquet(partial, index=False)
    with atomic(directory / "metrics.jsonl") as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in history))
    write_json(directory / "result.json", result)


def keep_weights(directory: Path, scores: dict[int, float], keep: str) -> None:
    """Leave the weights of the seeds that `keep` names, and model.safetensors, another name of the best seed's.

    Args:
        directory: the output folder with seeds/SEED.safetensors.
        scores: seed -> validation metric; the first of equal ones is the best.
        keep: "best", "all" or "none".
    """
    best = best_seed(scores)
    for seed in scores:
        if keep == "none" or (keep == "best" and seed != best):
            seed_stem(directory, seed).with_suffix(".safetensors").unlink(missing_ok=True)
    link = directory / "model.safetensors"
    link.unlink(missing_ok=True)
    if keep != "none":
        kept = seed_stem(directory, best).with_suffix(".safetensors")
        try:
            os.link(kept, link)
        except OSError:  # a file system without hard links
            shutil.copyfile(kept, link)


def best_seed(scores: dict[int, float]) -> int:
    """Return the seed with the highest validation metric, the first of equal ones."""
    return max(scores, key=lambda seed: scores[seed])


def prediction_rows(
    seed: int, eids: np.ndarray, split: str, output: str, y_true: np.ndarray, y_score: np.ndarray
) -> pd.DataFrame:
    """Return one seed's predictions (n rows) of one split: seed, eid, split, output, y_true, y_score."""
    table = pd.DataFrame({"seed": seed, "eid": eids, "split": split, "output": output})
    table = table.assign(y_true=y_true, y_score=y_score)
    return table.astype({"seed": "int64", "y_true": "float64", "y_score": "float64"})

"""Several seeds in one job: each finished seed is kept beside the output until all are done."""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.command import step_parser
from cmr2ecg.files import atomic, write_json

log = logging.getLogger(__name__)

SeedResult = tuple[pd.DataFrame, list[dict], dict]


def fit_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the arguments every step takes that fits one model to one target's subset with several seeds."""
    parser = step_parser(description)
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--subset", type=Path, required=True, help="balanced training subset, csv with eid and label")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet")
    parser.add_argument("--target", required=True, help="disease")
    parser.add_argument("--fraction", type=int, required=True, help="percent of the training subset")
    parser.add_argument("--output", type=Path, required=True, help="folder for predictions, metrics and result.json")
    return parser


def run_seeds(
    seeds: Sequence[int], fit: Callable[[int], SeedResult], *, directory: Path, owner: str, label: str
) -> list[SeedResult]:
    """Return fit(seed) for every seed, taking those from disk that the same owner has already finished.

    Args:
        seeds: fine-tuning seeds.
        fit: returns predictions, the epochs' metrics and a summary.
        directory: the output folder; finished seeds wait in `partial/`.
        owner: digest of everything the result depends on.
        label: for the progress lines.
    """
    results = []
    for number, seed in enumerate(seeds, start=1):
        kept = directory / "partial" / f"{owner}_{seed}"
        result = load_seed(kept)
        if result is None:
            result = fit(seed)
            save_seed(kept, result)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in result[2].items())
        log.info("%s: seed %d of %d: %s", label, number, len(seeds), shown)
        results.append(result)
    return results


def save_seed(stem: Path, result: SeedResult) -> None:
    """Write a finished seed; the summary comes last and marks it as whole."""
    predictions, history, summary = result
    with atomic(stem.with_suffix(".parquet")) as partial:
        predictions.to_parquet(partial, index=False)
    write_json(stem.with_suffix(".json"), {"history": history, "summary": summary})


def load_seed(stem: Path) -> SeedResult | None:
    """Return a finished seed, or None if there is none."""
    if not stem.with_suffix(".json").exists():
        return None
    kept = json.loads(stem.with_suffix(".json").read_text())
    return pd.read_parquet(stem.with_suffix(".parquet")), kept["history"], kept["summary"]


def forget_seeds(directory: Path) -> None:
    """Remove the kept seeds once the whole result is written."""
    folder = directory / "partial"
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def write_outcome(directory: Path, results: Sequence[SeedResult], described: dict) -> None:
    """Write predictions.parquet (all seeds), metrics.jsonl and result.json, then drop the kept seeds.

    result.json is `described` plus the validation metric, best epoch and number of parameters of each seed.
    """
    with atomic(directory / "predictions.parquet") as partial:
        pd.concat([result[0] for result in results], ignore_index=True).to_parquet(partial, index=False)
    with atomic(directory / "metrics.jsonl") as partial:
        lines = [json.dumps(row) + "\n" for result in results for row in result[1]]
        partial.write_text("".join(lines))
    summaries = [result[2] for result in results]
    metric = next(name.removeprefix("val_") for name in summaries[0] if name.startswith("val_"))
    outcome = {
        "validation": {metric: [summary[f"val_{metric}"] for summary in summaries]},
        "best_epoch": [summary["best_epoch"] for summary in summaries],
        "parameters": summaries[0]["parameters"],
    }
    write_json(directory / "result.json", {**described, **outcome})
    forget_seeds(directory)


def prediction_rows(
    seed: int, eids: np.ndarray, split: str, output: str, y_true: np.ndarray, y_score: np.ndarray
) -> pd.DataFrame:
    """Return one seed's predictions (n rows) of one split: seed, eid, split, output, y_true, y_score."""
    table = pd.DataFrame({"seed": seed, "eid": eids, "split": split, "output": output})
    table = table.assign(y_true=y_true, y_score=y_score)
    return table.astype({"seed": "int64", "y_true": "float64", "y_score": "float64"})

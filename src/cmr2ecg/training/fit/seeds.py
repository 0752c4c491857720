"""Several seeds in one job: each finished seed is kept in `seeds/` beside the output; only others are trained."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.files import atomic, write_json

log = logging.getLogger(__name__)

SeedResult = tuple[pd.DataFrame, list[dict], dict]
# What a summary says of a network's training.
BY_STEPS = ("epochs", "epoch_limit", "steps", "best_step", "late_gain", "learnt")
COLUMNS = {
    "seed": "int64",
    "eid": "int64",
    "split": "str",
    "output": "str",
    "y_true": "float64",
    "y_score": "float64",
}


class SeedStore:
    """One fit's folder: its seeds, each kept as it ends, and the files that are made of them.

    Args:
        directory: the output folder; finished seeds stay in `seeds/`, SEED.parquet (predictions), SEED.json (summary)
            and SEED.safetensors (weights) each.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def weights(self, seed: int) -> Path:
        """Return where the weights of a seed are kept."""
        return self._file(seed, ".safetensors")

    def _file(self, seed: int, ending: str) -> Path:
        return self.directory / "seeds" / f"{seed}{ending}"

    def run(self, cache_keys: Mapping[int, str], fit: Callable[[int], SeedResult], *, label: str) -> list[SeedResult]:
        """Return fit(seed) for every seed, taking from disk those that are finished under the same cache key.

        Args:
            cache_keys: seed -> digest of everything its result depends on, without the other seeds.
            fit: returns predictions, the epochs' metrics and a summary.
            label: for the progress lines.
        """
        self._clear_others(cache_keys)
        results = []
        for number, (seed, cache_key) in enumerate(cache_keys.items(), start=1):
            result = self.load(seed)
            if result is None:
                started = time.monotonic()
                predictions, history, summary = fit(seed)
                result = predictions, history, {**summary, "seconds": round(time.monotonic() - started, 2)}
                self.save(seed, cache_key, result)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in result[2].items())
            log.info("%s: seed %d of %d: %s", label, number, len(cache_keys), shown)
            results.append(result)
        return results

    def save(self, seed: int, cache_key: str, result: SeedResult) -> None:
        """Write a finished seed; the summary comes last and marks it as whole."""
        predictions, history, summary = result
        with atomic(self._file(seed, ".parquet")) as partial:
            predictions.to_parquet(partial, index=False)
        write_json(self._file(seed, ".json"), {"cache_key": cache_key, "history": history, "summary": summary})

    def load(self, seed: int) -> SeedResult | None:
        """Return a finished seed, or None if there is none."""
        summary, predictions = self._file(seed, ".json"), self._file(seed, ".parquet")
        if not (summary.exists() and predictions.exists()):
            return None
        kept = json.loads(summary.read_text())
        return pd.read_parquet(predictions), kept["history"], kept["summary"]

    def lose_those_without_weights(self, seeds: Iterable[int]) -> bool:
        """Forget those of some finished seeds whose weights are not there; return whether there were any."""
        lost = [seed for seed in seeds if not self.weights(seed).exists()]
        for seed in lost:
            self._file(seed, ".json").unlink()
        return bool(lost)

    def _clear_others(self, cache_keys: Mapping[int, str]) -> None:
        """Remove what is kept under other keys or seeds: a subject that has withdrawn since must be in no file."""
        folder = self.directory / "seeds"
        if not folder.is_dir():
            return
        own = {str(seed) for seed, key in cache_keys.items() if _cache_key(self._file(seed, ".json")) == key}
        for path in folder.iterdir():
            if path.name.split(".")[0] not in own:
                path.unlink()

    def keep_weights(self, scores: Mapping[int, float], keep: str) -> None:
        """Leave the weights of the seeds that `keep` names, and model.safetensors, another name of the best seed's.

        Args:
            scores: seed -> validation metric; the first of equal ones is the best.
            keep: "best", "all" or "none".
        """
        for seed in set(scores) - set(seeds_to_keep(scores, keep)):
            self.weights(seed).unlink(missing_ok=True)
        link = self.directory / "model.safetensors"
        link.unlink(missing_ok=True)
        if keep != "none":
            kept = self.weights(best_seed(scores))
            try:
                os.link(kept, link)
            except OSError:  # a file system without hard links
                shutil.copyfile(kept, link)

    def write_outcome(self, results: Sequence[SeedResult], described: Mapping[str, object]) -> None:
        """Write predictions.parquet (all seeds), metrics.jsonl and result.json.

        result.json is `described` plus, seed by seed, the validation metric and best epoch, of a network also its
        epochs and optimiser steps and the step of the best epoch, and the number of parameters.
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
        self._write(predictions, history, {**described, **outcome})

    def write_skipped(self, described: Mapping[str, object], reason: str) -> None:
        """Write the three files of a fit that could not be had: no predictions, no metrics, and why.

        Tables show a dash with `skipped` as its footnote; kept seeds are of other inputs and go.
        """
        shutil.rmtree(self.directory / "seeds", ignore_errors=True)
        (self.directory / "model.safetensors").unlink(missing_ok=True)
        predictions = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
        nothing = {"validation": {}, "best_epoch": [], "parameters": 0}
        self._write(predictions, [], {**described, **nothing, "skipped": reason})

    def _write(self, predictions: pd.DataFrame, history: Sequence[dict], result: Mapping[str, object]) -> None:
        with atomic(self.directory / "predictions.parquet") as partial:
            predictions.to_parquet(partial, index=False)
        with atomic(self.directory / "metrics.jsonl") as partial:
            partial.write_text("".join(json.dumps(row) + "\n" for row in history))
        write_json(self.directory / "result.json", result)


def _cache_key(path: Path) -> str | None:
    try:
        return json.loads(path.read_text())["cache_key"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def seeds_to_keep(scores: Mapping[int, float], keep: str) -> list[int]:
    """Return the seeds whose weights stay, for `keep` "best", "all" or "none"."""
    return {"none": [], "best": [best_seed(scores)], "all": [*scores]}[keep]


def best_seed(scores: Mapping[int, float]) -> int:
    """Return the seed with the highest validation metric, the first of equal ones."""
    return max(scores, key=lambda seed: scores[seed])


def prediction_rows(
    seed: int, eids: np.ndarray, split: str, output: str, y_true: np.ndarray, y_score: np.ndarray
) -> pd.DataFrame:
    """Return one seed's predictions (n rows) of one split: seed, eid, split, output, y_true, y_score."""
    table = pd.DataFrame({"seed": seed, "eid": eids, "split": split, "output": output})
    table = table.assign(y_true=y_true, y_score=y_score)
    return table.astype({"seed": "int64", "y_true": "float64", "y_score": "float64"})

"""One fit's folder: predictions.parquet, metrics.jsonl, result.json; a fit that cannot be had says why in the last."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.checkpoint import NotWritten
from cmr2ecg.training.fit.finetune import Fold, cut_each_draw
from cmr2ecg.training.fit.seeds import SeedResult, SeedStore, prediction_rows
from cmr2ecg.training.fit.subjects import Subjects
from cmr2ecg.training.fit.targets import Scale, Task, task_of
from cmr2ecg.training.result import peak_memory_mb, provenance

log = logging.getLogger(__name__)


class Origin:
    """What the results of one job have in common: where they come from, and what they depend on.

    Args:
        module: the step's module.
        files: input files of all fits.
        settings: the step's settings, of which the networks count for every fit.
        started: time.monotonic() when the step began.
        machine: device, precision, threads.
    """

    def __init__(self, module: str, files: Sequence[Path], settings: dict, started: float, **machine: object) -> None:
        self.step, self.settings, self.started = module.rsplit(".", 1)[-1], settings, started
        self.whole = provenance(module, files, started, **machine)

    def depends_on(self, *files: Path | None) -> list:
        """Return a JSON value that changes with code, networks, precision or one of these input files."""
        digests = [self.whole["inputs"][str(path)] for path in files if path]
        return [self.whole["fingerprint"], self.settings["models"], self.whole["precision"], digests]

    def describe(self, about: dict, method: dict) -> dict:
        """Return `about` with the settings used and the provenance up to now."""
        spent = {
            "wall_seconds": round(time.monotonic() - self.started, 2),
            "peak_memory_mb": round(peak_memory_mb(), 1),
        }
        return {**about, "settings": {**self.settings, "method": method}, "provenance": {**self.whole, **spent}}


ByDraw = Mapping[int, Mapping[str, Fold]]  # draw of the training subset -> folds train, val, test
# (task, folds) -> a result for each seed, and what to record beside
Work = Callable[[Task, ByDraw], tuple[list[SeedResult], dict[str, object]]]


@dataclass(frozen=True)
class FitFolder:
    """The folder of one target and fraction of an encoder; subjects and origin are those of all fits of the job."""

    encoder: str
    target: str
    fraction: int
    output: Path
    subjects: Subjects
    origin: Origin

    @property
    def store(self) -> SeedStore:
        """Its files."""
        return SeedStore(self.output / self.target / str(self.fraction))

    @property
    def name(self) -> str:
        """What results call the fit."""
        return f"{self.encoder}/{self.target}/{self.fraction}"

    @property
    def label(self) -> str:
        """What logs call the fit."""
        return f"{self.origin.step} {self.name}"

    def write(self, settings: dict, work: Work, draws: Sequence[int]) -> None:
        """Write the folder; where the fit cannot be had, the reason in place of numbers.

        Args:
            settings: of this fit, recorded.
            work: does the fits.
            draws: numbers of the draws of the training subset; the first stands for all in what is recorded.
        """
        task = task_of(self.target)
        about: dict[str, object] = {"step": self.origin.step, "name": self.name, "encoder": self.encoder}
        about |= {"target": self.target, "fraction": self.fraction}
        try:
            task, by_draw, left_out = cut_each_draw(task, self.subjects.folds(task, self.fraction, draws))
            for output, reason in left_out.items():
                log.warning("%s: %s is left out: %s", self.label, output, reason)
            results, more = work(task, by_draw)
        except NotWritten:
            raise
        except InputError as error:
            reason = " ".join(str(error).split())
            log.warning("%s: skipped: %s", self.label, reason)
            self.store.write_skipped(self.origin.describe(about, settings), reason)
            return
        folds = by_draw[draws[0]]
        about |= {"outputs": list(task.outputs), "skipped_outputs": left_out, **more}
        about |= {f"n_{split}": len(fold.eids) for split, fold in folds.items()}
        if task.is_regression:
            scale = Scale.of(folds["train"].values)
            about["scale"] = {"mean": scale.mean.tolist(), "std": scale.std.tolist()}
        else:
            about["trained_prevalence"] = float(folds["train"].values.mean())
        self.store.write_outcome(results, self.origin.describe(about, settings))


def fold_rows(seed: int, task: Task, split: str, fold: Fold, scores: np.ndarray) -> pd.DataFrame:
    """Return one seed's predictions (n, outputs) of one split as rows, output by output."""
    return pd.concat(
        prediction_rows(seed, fold.eids, split, output, fold.values[:, column], scores[:, column])
        for column, output in enumerate(task.outputs)
    )


def digest_of(folds: Mapping[str, Fold]) -> str:
    """Return a SHA-256 of who is in the folds and what they have."""
    whole = hashlib.sha256()
    for name, fold in sorted(folds.items()):
        whole.update(name.encode() + fold.eids.tobytes() + fold.values.tobytes())
    return whole.hexdigest()

"""Probe one frozen encoder for all targets: linear models on its embeddings, a control the paper lacks.

Every subject is embedded once. The encoder `random` was never trained and is probed once per seed of its weights; a
pre-trained one once for each of its pre-trainings, and features that need no encoder (training/fit/plain_features.py)
once, since nothing there is drawn. Of training subsets that are drawn several times each has a probe.
"""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cmr2ecg.models.classifier import build_encoder, is_cmr
from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.fit.arguments import begin, encoder_parser
from cmr2ecg.training.fit.finetune import Fold, load_start
from cmr2ecg.training.fit.fit_folder import ByDraw, fold_rows
from cmr2ecg.training.fit.plain_features import PLAIN, beats_of, intervals_of, latents_of, pixels_of
from cmr2ecg.training.fit.probe import Embedded, embed, fit_probe
from cmr2ecg.training.fit.runs import Run, described, draws_of, planned_runs
from cmr2ecg.training.fit.seeds import SeedResult
from cmr2ecg.training.fit.subjects import Subjects
from cmr2ecg.training.fit.targets import Task

MODULE = "cmr2ecg.steps.probe"


def seed_result(task: Task, folds: Mapping[str, Fold], features: np.ndarray, penalties: list, seed: int) -> SeedResult:
    """Return the predictions of val and test of one probe; `features` (n, d) are those of all subjects of the job."""
    embedded = {name: Embedded(features[fold.data.positions], fold.values) for name, fold in with_values(folds).items()}
    probe = fit_probe(task, embedded, penalties)
    rows = [fold_rows(seed, task, name, folds[name], probe.predictions[name]) for name in ("val", "test")]
    metric = f"val_{task.metric}"
    history = [
        {"seed": seed, "epoch": number, "penalty": penalty, metric: score}
        for number, (penalty, score) in enumerate(zip(penalties, probe.scores, strict=True))
    ]
    weights = (features.shape[1] + 1) * len(task.outputs)
    summary = {metric: probe.best_score, "best_epoch": penalties.index(probe.penalty), "parameters": weights}
    return pd.concat(rows), history, summary


def with_values(folds: Mapping[str, Fold]) -> Mapping[str, Fold]:
    """Return the folds, that of training without subjects that have no value left."""
    return {**folds, "train": folds["train"].with_values()}


def plain(name: str, subjects: Subjects, settings: dict, truth: Path) -> np.ndarray:
    """Return the features (n, d) of all subjects of the job, which no encoder makes."""
    if name == "latents":
        return latents_of(truth, subjects.eids)
    if name == "cmr_pixels":
        return pixels_of(subjects.data)
    return {"ecg_beats": beats_of, "rr_intervals": intervals_of}[name](subjects.data, settings["sampling_rate_hz"])


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = encoder_parser(__doc__)
    parser.add_argument("--truth", type=Path, help="truth.parquet of simulate_cohort, for the encoder `latents`")
    args = parser.parse_args(argv)
    start(args)
    job = begin(args, MODULE, started, also=[args.truth] if args.truth else [])
    starts = [read_weights(path) for path in args.weights]
    method, field = job.settings["method"], "cmr" if is_cmr(job.encoder) else "ecg"
    drawn = not starts and job.encoder not in PLAIN
    seeds = method["random_seeds"] if drawn else method["random_seeds"][:1]

    @cache
    def features(source: int) -> np.ndarray:
        """Return the features of a pre-training, of a seed of random weights, or of the recordings alone."""
        if job.encoder in PLAIN:
            return plain(job.encoder, job.subjects, job.settings, args.truth)
        torch.manual_seed(source)
        encoder = build_encoder(job.encoder, job.settings["models"])
        if starts:
            load_start(encoder, starts[source], job.encoder)
        device, precision = job.machine.device, job.machine.precision
        return embed(encoder.to(device), job.subjects.data, field, device, precision)

    def probed(task: Task, folds: Mapping[str, Fold], run: Run) -> SeedResult:
        source = run.seed if drawn else run.block % max(1, len(starts))
        return seed_result(task, folds, features(source), method["penalties"], run.seed)

    for folder in job.folders():
        runs = planned_runs(seeds, job.settings, folder.fraction)

        def work(task: Task, by_draw: ByDraw, runs: Sequence[Run] = runs) -> tuple[list[SeedResult], dict[str, object]]:
            results = [probed(task, by_draw[run.draw], run) for run in runs]
            chosen = [method["penalties"][result[2]["best_epoch"]] for result in results]
            about = {"seeds": [run.seed for run in runs], "runs": described(runs), "penalty": chosen}
            return results, {**about, "tuned_trials": 0}

        folder.write(method, work, draws_of(runs))


if __name__ == "__main__":
    run(main)

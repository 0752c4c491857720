"""Probe one frozen encoder for all targets: linear models on its embeddings, a control the paper lacks.

Every subject is embedded once. The encoder `random` was never trained and is probed once per seed of its weights; a
pre-trained one once for each of its pre-trainings, and features that need no encoder (training/fit/plain_features.py)
once, since nothing there is drawn. Of training subsets that are drawn several times each has a probe.
"""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cmr2ecg.models.classifier import build_encoder, is_cmr
from cmr2ecg.runtime.command import run, start
from cmr2ecg.steps.finetune import begin, encoder_parser, read_subjects
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.fit.finetune import Fold, load_start
from cmr2ecg.training.fit.fit_folder import fold_rows, write_fit
from cmr2ecg.training.fit.plain_features import PLAIN, beats_of, latents_of, pixels_of
from cmr2ecg.training.fit.probe import Embedded, embed, fit_probe
from cmr2ecg.training.fit.runs import Run, described, draws_of, planned_runs
from cmr2ecg.training.fit.seeds import SeedResult
from cmr2ecg.training.fit.subjects import Subjects
from cmr2ecg.training.fit.targets import Task

MODULE = "cmr2ecg.steps.probe"


def seed_result(task: Task, folds: dict[str, Fold], features: np.ndarray, penalties: list, seed: int) -> SeedResult:
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


def with_values(folds: dict[str, Fold]) -> dict[str, Fold]:
    """Return the folds, that of training without subjects that have no value left."""
    return {**folds, "train": folds["train"].with_values()}


def plain(name: str, subjects: Subjects, settings: dict, truth: Path | None) -> np.ndarray:
    """Return the features (n, d) of all subjects of the job, which no encoder makes."""
    if name == "latents":
        return latents_of(truth, subjects.eids)
    return beats_of(subjects.data, settings["sampling_rate_hz"]) if name == "ecg_beats" else pixels_of(subjects.data)


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = encoder_parser(__doc__)
    parser.add_argument("--truth", type=Path, help="truth.parquet of simulate_cohort, for the encoder `latents`")
    args = parser.parse_args(argv)
    start(args)
    device, precision, origin = begin(args, MODULE, started, also=[args.truth] if args.truth else [])
    subjects, starts = read_subjects(args), [read_weights(path) for path in args.weights]
    method, field = args.settings["method"], "cmr" if is_cmr(args.encoder) else "ecg"
    drawn = not starts and args.encoder not in PLAIN
    seeds = method["random_seeds"] if drawn else method["random_seeds"][:1]

    @cache
    def features(source: int) -> np.ndarray:
        """Return the features of a pre-training, of a seed of random weights, or of the recordings alone."""
        if args.encoder in PLAIN:
            return plain(args.encoder, subjects, args.settings, args.truth)
        torch.manual_seed(source)
        encoder = build_encoder(args.encoder, args.settings["models"])
        if starts:
            load_start(encoder, starts[source], args.encoder)
        return embed(encoder.to(device), subjects.data, field, device, precision)

    def probed(task: Task, folds: dict[str, Fold], run: Run) -> SeedResult:
        source = run.seed if drawn else run.block % max(1, len(starts))
        return seed_result(task, folds, features(source), method["penalties"], run.seed)

    for target, fraction in args.fits:
        runs = planned_runs(seeds, args.settings, fraction)

        def work(task: Task, by_draw: dict[int, dict[str, Fold]], label: str, runs=runs) -> tuple[list, dict]:
            results = [probed(task, by_draw[run.draw], run) for run in runs]
            chosen = [method["penalties"][result[2]["best_epoch"]] for result in results]
            about = {"seeds": [run.seed for run in runs], "runs": described(runs), "penalty": chosen}
            return results, {**about, "tuned_trials": 0}

        where = {"directory": args.output / target / str(fraction), "origin": origin}
        write_fit(args.encoder, subjects, target, fraction, method, work, draws=draws_of(runs), **where)


if __name__ == "__main__":
    run(main)

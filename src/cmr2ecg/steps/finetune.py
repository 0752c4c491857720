"""Fine-tune one encoder for one disease on one subset, once per seed (paper §IV-C.2, tables I-III, figure 5)."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cmr2ecg.command import run, start
from cmr2ecg.data.labels import labels_of, require_both_classes, split_eids
from cmr2ecg.data.loading import PairedData
from cmr2ecg.files import sha256
from cmr2ecg.imports import code_digest
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.checkpoint import load_weights
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.finetune import Labelled, finetune, probabilities
from cmr2ecg.training.result import digest, provenance
from cmr2ecg.training.schedule import absolute_rate
from cmr2ecg.training.seeds import SeedResult, fit_parser, prediction_rows, run_seeds, write_outcome

MODULE = "cmr2ecg.steps.finetune"


def build(models: dict, settings: dict, weights: Path | None, seed: int) -> EcgPredictor:
    """Return a predictor of two classes; `weights` None leaves the encoder random ("supervised")."""
    torch.manual_seed(seed)
    encoder = EcgEncoder(**models["ecg_encoder"], drop_path=settings["drop_path"])
    if weights is not None:
        load_weights(weights, encoder)
    return EcgPredictor(encoder, outputs=2)


def labelled(args: argparse.Namespace, eids: np.ndarray) -> Labelled:
    """Return the ECGs and labels of `eids`."""
    labels = labels_of(args.labels, args.target, eids)
    return Labelled(PairedData(args.dataset, eids, ("ecg",), memory_mb=args.memory_mb / 3), eids, labels)


def fit_seed(
    model: EcgPredictor,
    train: Labelled,
    folds: dict[str, Labelled],
    settings: dict,
    target: str,
    *,
    seed: int,
    precision: str,
) -> SeedResult:
    """Fine-tune one seed and predict val and test once, with the weights that were best on val."""
    outcome = finetune(model, train, folds["val"], settings, seed=seed, precision=precision)
    rows = []
    for name, fold in folds.items():
        scores = probabilities(outcome.model, fold.data, precision)
        rows.append(prediction_rows(seed, fold.eids, name, target, fold.labels, scores))
    parameters = sum(value.numel() for value in model.parameters() if value.requires_grad)
    summary = {"val_auroc": outcome.best_auroc, "best_epoch": outcome.best_epoch, "parameters": parameters}
    return pd.concat(rows), outcome.history, summary


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = fit_parser(__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5")
    parser.add_argument("--weights", type=Path, help="pre-trained encoder; left out: random")
    parser.add_argument("--encoder", required=True, help="its name")
    parser.add_argument("--memory-mb", type=float, default=8000, help="hold a data set in memory up to this size")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    args = parse(argv)
    start(args)
    settings, models = args.settings["method"], args.settings["models"]
    device = pick_device(args.settings["device"])
    precision = pick_precision(args.settings["precision"], device)
    pick_attention(device, precision)
    train = labelled(args, pd.read_csv(args.subset)["eid"].to_numpy(np.int64))
    folds = {name: labelled(args, split_eids(args.split, name)) for name in ("val", "test")}
    require_both_classes(folds["val"].labels, f"{args.target}, val split")

    def fit(seed: int) -> SeedResult:
        model = build(models, settings, args.weights, seed).to(device)
        return fit_seed(model, train, folds, settings, args.target, seed=seed, precision=precision)

    inputs = [args.dataset, args.split, args.subset, args.labels] + ([args.weights] if args.weights else [])
    owner = digest([args.settings, precision, code_digest(MODULE), [sha256(path) for path in inputs]])
    name = f"{args.encoder}/{args.target}/{args.fraction}"
    results = run_seeds(settings["seeds"], fit, directory=args.output, owner=owner, label=f"finetune {name}")
    machine = {"device": device.type, "precision": precision, "threads": args.threads}
    rate = absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"])
    described = {
        "step": "finetune",
        "name": name,
        "encoder": args.encoder,
        "target": args.target,
        "fraction": args.fraction,
        "settings": args.settings,
        "seeds": settings["seeds"],
        "learning_rate": rate,
        "n_train": len(train.labels),
        "n_val": len(folds["val"].labels),
        "n_test": len(folds["test"].labels),
        "provenance": provenance(MODULE, inputs, started, **machine),
    }
    write_outcome(args.output, results, described)


if __name__ == "__main__":
    run(main)

"""Put one encoder's fits together to a release: all that `python -m cmr2ecg predict` needs, with a model card.

Outputs, in one folder: model.safetensors, config.json, README.md, SHA256SUMS, and where settings ask for it model.onnx
and, of a pre-trained encoder, embedding.onnx.
"""

import argparse
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file
from torch import Tensor

from cmr2ecg.loading.labels import rows_for, split_eids
from cmr2ecg.predict.build import collect_weights, describe_target
from cmr2ecg.predict.card import model_card
from cmr2ecg.predict.ensemble import build_ensemble
from cmr2ecg.predict.onnx_file import example, export_checked, export_encoder
from cmr2ecg.predict.release import EMBEDDING, FORMAT, SUMS, Release, write_sums
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic, write_json
from cmr2ecg.study.targets import is_regression
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.result import provenance

MODULE = "cmr2ecg.steps.release"


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    args = parse(argv)
    start(args)
    coverage, codes = args.settings["coverage"], args.settings.get("codes", {})
    described = {
        fit.parent.name: describe_target(fit, prevalence(args, fit), coverage, codes.get(fit.parent.name, ()))
        for fit in args.fits
    }
    targets = {name: about for name, about in described.items() if "skipped" not in about}
    if not targets:
        raise InputError(
            f"release {args.name}: none of its fits could be had: {next(iter(described.values()))['skipped']}"
        )
    own = read_weights(args.weights) if args.weights else {}
    weights = {f"{EMBEDDING}.{name}": value for name, value in own.items()}
    for fit in args.fits:
        if fit.parent.name in targets:
            weights |= collect_weights(fit, targets[fit.parent.name])
    config = {
        "format": FORMAT,
        "name": args.name,
        "encoder": args.name,
        "cohort": args.cohort,
        "synthetic": args.synthetic,
        "models": {"ecg_encoder": args.settings["ecg_encoder"]},
        "clean_ecg": args.settings["clean_ecg"],
        "pretraining": pretrained_on(args.weights) if args.weights else {},
        "parameters": parameters(targets, weights),
        "targets": targets,
        "skipped": {name: about["skipped"] for name, about in described.items() if "skipped" in about},
        "provenance": provenance(MODULE, [fit / "result.json" for fit in args.fits], started),
    }
    write(args, config, weights)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = step_parser(__doc__)
    parser.add_argument("--name", required=True, help="encoder, and name of the release")
    parser.add_argument("--cohort", required=True, help="its name, for the card")
    parser.add_argument("--synthetic", action="store_true", help="the cohort is simulated; the card says so")
    parser.add_argument("--fits", type=Path, nargs="+", required=True, help="folders of its fine-tunings at 100 %%")
    parser.add_argument("--weights", type=Path, help="pre-trained encoder, for embeddings; beside its result.json")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet")
    parser.add_argument("--flow", type=Path, required=True, help="flow.csv of assemble_dataset")
    for name in ("intervals", "analyses", "calibration"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{name}.csv of evaluate")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    return parser.parse_args(argv)


def prevalence(args: argparse.Namespace, fit: Path) -> float | None:
    """Return the share of the train split that has the fit's disease; None for phenotypes."""
    target = fit.parent.name
    if is_regression(target):
        return None
    return float(rows_for(args.labels, split_eids(args.split, "train"))[target].mean())


def pretrained_on(weights: Path) -> dict[str, int]:
    """Return how many recordings a pre-training had, and how many of them without an image or a label.

    Nothing of imported weights, whose origin has no such counts.
    """
    path = weights.parent / "result.json"
    result = json.loads(path.read_text()) if path.is_file() else {}
    return {"n_train": result["n_train"], "n_unpaired": result.get("n_unpaired", 0)} if "n_train" in result else {}


def parameters(targets: Mapping[str, Any], weights: Mapping[str, Tensor]) -> int:
    """Return the number of weights of the first network."""
    name, about = next(iter(targets.items()))
    return sum(value.numel() for key, value in weights.items() if key.startswith(f"{name}.{about['seeds'][0]}."))


def write(args: argparse.Namespace, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    folder = args.output
    for name in (SUMS, "model.onnx", "embedding.onnx"):
        (folder / name).unlink(missing_ok=True)  # no release until the last file is there, and none of another setting
    release = Release(config, weights)
    build_ensemble(release)  # or say what does not fit
    with atomic(folder / "model.safetensors") as partial:
        save_file({name: value.contiguous() for name, value in weights.items()}, partial)
        partial.chmod(0o644)  # safetensors lets nobody else read what it writes
    if args.settings["onnx"]:
        with atomic(folder / "model.onnx") as partial:
            worst = export_checked(release, example(config["clean_ecg"]["samples"]), partial)
        config["onnx_largest_difference"] = worst
        logging.info("model.onnx agrees with the networks to %.1e", worst)
    if args.settings["onnx"] and args.weights:
        with atomic(folder / "embedding.onnx") as partial:
            worst = export_encoder(release, example(config["clean_ecg"]["samples"]), partial)
        config["onnx_largest_difference_of_embeddings"] = worst
        logging.info("embedding.onnx agrees with the encoder to %.1e", worst)
    write_json(folder / "config.json", config)
    split = pd.read_csv(args.split)["split"].value_counts()
    tables = {name: pd.read_csv(getattr(args, name)) for name in ("intervals", "analyses", "calibration")}
    sizes = {str(name): int(n) for name, n in split.items()}
    card = model_card(config, pd.read_csv(args.flow), tables, sizes, args.settings["cohort"])
    with atomic(folder / "README.md") as partial:
        partial.write_text(card, encoding="utf-8")
    write_sums(folder)
    logging.info("release %s: %d networks, %s", args.name, count(config), json.dumps(list(config["targets"])))


def count(config: Mapping[str, Any]) -> int:
    """Return the number of networks."""
    return sum(len(about["seeds"]) for about in config["targets"].values())


if __name__ == "__main__":
    run(main)

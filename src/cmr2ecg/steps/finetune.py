"""Fine-tune one encoder for one or many targets and training subsets, once per seed (paper §IV-C.2).

All fits share one process, one copy of the recordings and one warm start. A fit that cannot be had (too few positives,
a constant phenotype, an encoder of another size) is written as skipped, with the reason, and the others go on.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from cmr2ecg.models.classifier import is_cmr
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.fit.choice import apply_choice, tuned_trials
from cmr2ecg.training.fit.fit_folder import Origin
from cmr2ecg.training.fit.fits import Encoder, fit_target
from cmr2ecg.training.fit.runs import planned_runs
from cmr2ecg.training.fit.subjects import Subjects, Tables, parse_fit, subset_files

MODULE = "cmr2ecg.steps.finetune"


def encoder_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the arguments of the steps that fit many targets on one encoder."""
    parser = step_parser(description)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--subsets", type=Path, required=True, help="folder of TARGET_FRACTION.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet")
    parser.add_argument("--phenotypes", type=Path, required=True, help="phenotypes.parquet")
    parser.add_argument("--encoder", required=True, help="its name")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="encoders, one a pre-training")
    parser.add_argument("--fits", type=parse_fit, nargs="+", required=True, help="TARGET/FRACTION each")
    parser.add_argument("--memory-mb", type=float, default=8000, help="hold the data in memory up to this size")
    parser.add_argument("--output", type=Path, required=True, help="folder of the encoder; fits go to TARGET/FRACTION")
    return parser


def begin(
    args: argparse.Namespace, module: str, started: float, also: Sequence[Path] = ()
) -> tuple[torch.device, str, Origin]:
    """Return device, precision and the origin of the job's results; `also` are further input files."""
    device = pick_device(args.settings["device"])
    precision = pick_precision(args.settings["precision"], device)
    pick_attention(device, precision)
    tables = [args.split, args.labels, args.phenotypes]
    files = [args.dataset, *args.weights, *tables, *subset_files(args.subsets, args.fits), *also]
    machine = {"device": device.type, "precision": precision, "threads": args.threads}
    return device, precision, Origin(module, files, args.settings, started, **machine)


def read_subjects(args: argparse.Namespace) -> Subjects:
    """Return the recordings of all fits: ECGs, or images at the encoder's size."""
    tables = Tables(args.split, args.subsets, args.labels, args.phenotypes)
    field = "cmr" if is_cmr(args.encoder) else "ecg"
    image_size = args.settings["models"].get("cmr_encoder", {}).get("image_size")
    return Subjects(args.dataset, tables, args.fits, field, memory_mb=args.memory_mb, image_size=image_size)


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = encoder_parser(__doc__)
    parser.add_argument("--selected", type=Path, nargs="*", default=[], help="choices of sweeps, ENCODER_TARGET.json")
    parser.add_argument("--keep-every-seed", type=int, nargs="*", default=[], help="fractions whose seeds all stay")
    args = parser.parse_args(argv)
    start(args)
    device, precision, origin = begin(args, MODULE, started, also=args.selected)
    starts = [read_weights(path) for path in args.weights]
    encoder = Encoder(args.encoder, args.settings["models"], starts, device, precision)
    inputs = {number: origin.depends_on(args.dataset, path) for number, path in enumerate(args.weights)}
    subjects = read_subjects(args)
    selected = {path.stem.removeprefix(f"{args.encoder}_"): path for path in args.selected}
    for target, fraction in args.fits:
        keep = {"keep_checkpoints": "all"} if fraction in args.keep_every_seed else {}
        method = args.settings["method"] | keep
        fit_target(
            encoder,
            subjects,
            target,
            fraction,
            apply_choice(method, selected.get(target), args.encoder, target),
            runs=planned_runs(method["seeds"], args.settings, fraction),
            directory=args.output / target / str(fraction),
            origin=origin,
            inputs={None: origin.depends_on(args.dataset), **inputs},
            more={"tuned_trials": tuned_trials(selected.get(target))},
        )


if __name__ == "__main__":
    run(main)

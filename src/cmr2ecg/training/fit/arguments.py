"""What the steps that fit many targets on one encoder are given on the command line."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr2ecg.models.classifier import is_cmr
from cmr2ecg.runtime.command import step_parser
from cmr2ecg.training.device import Machine, pick_machine
from cmr2ecg.training.fit.fit_folder import FitFolder, Origin
from cmr2ecg.training.fit.subjects import Subjects, Tables, parse_fit, subset_files


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


@dataclass(frozen=True)
class EncoderJob:
    """All fits of one encoder in one process: what they share."""

    encoder: str
    fits: Sequence[tuple[str, int]]
    settings: dict[str, Any]
    output: Path
    machine: Machine
    origin: Origin
    subjects: Subjects

    def folders(self) -> Iterator[FitFolder]:
        """Yield the folder of every fit."""
        for target, fraction in self.fits:
            yield FitFolder(self.encoder, target, fraction, self.output, self.subjects, self.origin)


def begin(args: argparse.Namespace, module: str, started: float, also: Sequence[Path] = ()) -> EncoderJob:
    """Return the job of arguments that `encoder_parser` has read, its recordings looked up.

    Args:
        args: the arguments.
        module: the step's.
        started: time.monotonic() when the step began.
        also: further input files.
    """
    machine = pick_machine(args.settings)
    tables = Tables(args.split, args.subsets, args.labels, args.phenotypes)
    subsets = subset_files(args.subsets, args.fits)
    files = [args.dataset, *args.weights, args.split, args.labels, args.phenotypes, *subsets, *also]
    origin = Origin(module, files, args.settings, started, **machine.described(args.threads))
    field = "cmr" if is_cmr(args.encoder) else "ecg"
    size = args.settings["models"].get("cmr_encoder", {}).get("image_size")
    subjects = Subjects(args.dataset, tables, args.fits, field, memory_mb=args.memory_mb, image_size=size)
    return EncoderJob(args.encoder, args.fits, args.settings, args.output, machine, origin, subjects)

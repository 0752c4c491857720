"""A whole pre-training as the steps run it: data in, loop, weights and result.json out, in one process or several."""

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.command import InputError, step_parser
from cmr2ecg.runtime.files import sha256, write_json
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.distributed import processes, rank, synchronise, world
from cmr2ecg.training.optimizer import absolute_rate
from cmr2ecg.training.pretrain.health import collapsed
from cmr2ecg.training.pretrain.loop import LAST_GOOD, pretrain, save_networks
from cmr2ecg.training.pretrain.training_state import Course
from cmr2ecg.training.result import digest, provenance

NOT_MEASURES = ("epoch", "train_loss", "val_loss", "learning_rate", "epoch_seconds", "data_wait_share")


def pretrain_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the arguments every pre-training step takes.

    --settings holds {"method": ..., "models": {the networks it uses}, "device": ..., "precision": ...}.
    """
    parser = step_parser(description)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--memory-mb", type=float, default=8000, help="hold a data set in memory up to this size")
    parser.add_argument("--output", type=Path, required=True, help="folder for weights, metrics and result.json")
    parser.set_defaults(unpaired=None)
    return parser


def ecg_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the arguments of pre-trainings on ECGs alone, which may train on further ECGs."""
    parser = pretrain_parser(description)
    parser.add_argument("--unpaired", type=Path, help="unpaired.h5: ECGs without an image, for training too")
    return parser


def run_pretraining(
    build: Callable[[dict, dict], nn.Module],
    args: argparse.Namespace,
    *,
    module: str,
    starts_from: tuple[Path, ...] = (),
) -> None:
    """Train the objective that build(models, method settings) returns and write its folder.

    Under torchrun all processes train together and the first one writes.

    Args:
        build: makes the objective after torch has been seeded.
        args: parsed by pretrain_parser.
        module: the step's module, for its name and code digest.
        starts_from: weight files that `build` reads; they belong to the inputs.
    """
    started = time.monotonic()
    settings = args.settings["method"]
    device = pick_device(args.settings["device"])
    precision = pick_precision(args.settings["precision"], device)
    pick_attention(device, precision)
    inputs = [args.dataset, args.split, *filter(None, [unpaired_file(args)]), *starts_from]
    owner = digest([args.settings, precision, fingerprint(module), [sha256(path) for path in inputs]])
    args.output.mkdir(parents=True, exist_ok=True)
    with processes(device):
        torch.manual_seed(settings["seed"])
        objective = build(args.settings["models"], settings).to(device)
        if world() > 1:
            synchronise(objective)
        train, val = (load_split(args, name, objective.fields) for name in ("train", "val"))
        label = module.rsplit(".", 1)[-1]
        course = pretrain(
            objective, train, val, settings, directory=args.output, owner=owner, precision=precision, label=label
        )
        if rank() == 0:
            machine = {"device": device.type, "precision": precision, "threads": args.threads, "processes": world()}
            result = describe(label, args, objective, course, len(train), len(val))
            if also := unpaired_file(args):
                result["n_unpaired"] = len(unpaired_eids(also))  # of n_train
            origin = provenance(module, inputs, started, **machine)
            finish(args.output, objective, {**result, "provenance": origin})


def finish(directory: Path, objective: nn.Module, result: dict) -> None:
    """Write weights and result.json. The resume point stays until the whole run has ended (leftovers.py)."""
    save_networks(objective, directory)
    write_json(directory / "result.json", result)
    shutil.rmtree(directory / LAST_GOOD, ignore_errors=True)


def load_split(args: argparse.Namespace, name: str, fields: tuple[str, ...]) -> PairedData:
    """Return the ECGs and images of one split, each split within half of this process's share of the memory limit.

    For ablations the method may hold `pairs`, how many training subjects are used, and `shuffle_images`. The unpaired
    are trained on, not validated on.
    """
    method = args.settings["method"]
    eids = split_eids(args.split, name)
    if name == "train" and "pairs" in method:
        eids = some(eids, method["pairs"], method["seed"])
    also = unpaired_file(args) if name == "train" else None
    if also:
        eids = np.concatenate([eids, unpaired_eids(also)])
    return PairedData(
        args.dataset,
        eids,
        fields,
        memory_mb=args.memory_mb / 2 / world(),
        image_size=args.settings["models"].get("cmr_encoder", {}).get("image_size"),
        images_of=strangers(eids, method["seed"]) if method.get("shuffle_images") else None,
        also=also,
    )


def unpaired_file(args: argparse.Namespace) -> Path | None:
    """Return unpaired.h5 if there is one and the method, by its `unpaired`, wants it; those that do not say want it."""
    return args.unpaired if args.settings["method"].get("unpaired", True) else None


def unpaired_eids(path: Path) -> np.ndarray:
    """Return the eids (n,) of unpaired.h5."""
    with h5py.File(path, "r") as file:
        return file["eid"][:]


def some(eids: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the eids (n,), drawn at random, in their order; fewer are a part of more.

    Raises:
        InputError: if there are not so many.
    """
    if count > len(eids):
        raise InputError(f"ablations: {count} pairs are asked for, yet the train split has {len(eids)}; ask for fewer")
    return eids[np.sort(np.random.default_rng(seed).permutation(len(eids))[:count])]


def strangers(eids: np.ndarray, seed: int) -> np.ndarray:
    """Return the eids (n,) so mixed that nobody keeps their place: all of them along one random ring."""
    ring = np.random.default_rng(seed).permutation(len(eids))
    mixed = np.empty_like(eids)
    mixed[ring] = eids[np.roll(ring, 1)]
    return mixed


def describe(
    step: str, args: argparse.Namespace, objective: nn.Module, course: Course, n_train: int, n_val: int
) -> dict:
    """Return result.json without its provenance."""
    settings = args.settings["method"]
    chosen = course.best_epoch if settings["select"] == "best" else len(course.history) - 1
    row = course.history[chosen]
    seconds = sum(line["epoch_seconds"] for line in course.history)
    waited = sum(line["epoch_seconds"] * line["data_wait_share"] for line in course.history)
    measures = {name: value for name, value in row.items() if name not in NOT_MEASURES}
    return {
        "step": step,
        "name": args.output.name,
        "settings": args.settings,
        "seed": settings["seed"],
        "epochs": settings["epochs"],
        "best_epoch": course.best_epoch,
        "selected_epoch": chosen,
        "learning_rate": absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"]),
        "n_train": n_train,
        "n_val": n_val,
        "validation": {"loss": row["val_loss"], **measures},
        "collapsed": collapsed(row),
        "parameters": sum(value.numel() for value in objective.parameters() if value.requires_grad),
        "epoch_seconds": round(seconds / len(course.history), 3),
        "data_wait_share": round(waited / seconds, 4),
    }

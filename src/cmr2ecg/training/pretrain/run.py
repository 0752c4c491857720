"""A whole pre-training as the steps run it: data in, loop, weights and result.json out, in one process or several."""

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.command import InputError, step_parser
from cmr2ecg.runtime.files import sha256, write_json
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.training.device import pick_machine
from cmr2ecg.training.distributed import processes, rank, synchronise, world
from cmr2ecg.training.optimizer import absolute_rate
from cmr2ecg.training.pretrain.health import collapsed
from cmr2ecg.training.pretrain.loop import LAST_GOOD, pretrain, save_networks
from cmr2ecg.training.pretrain.objective import Objective
from cmr2ecg.training.pretrain.training_state import TrainingState
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


@dataclass(frozen=True)
class PretrainingJob:
    """One pre-training as its step was told.

    settings: {"method": ..., "models": {the networks it uses}, "device": ..., "precision": ...}. unpaired: unpaired.h5
    where there is one and the method, by its `unpaired`, wants it; those that do not say want it.
    """

    module: str
    dataset: Path
    split: Path
    output: Path
    settings: dict[str, Any]
    memory_mb: float
    threads: int = 1
    unpaired: Path | None = None

    @classmethod
    def of(cls, args: argparse.Namespace, module: str) -> "PretrainingJob":
        """Return the job of arguments that `pretrain_parser` has read; module: the step's."""
        unpaired = args.unpaired if args.settings["method"].get("unpaired", True) else None
        told = (args.dataset, args.split, args.output, args.settings, args.memory_mb, args.threads)
        return cls(module, *told, unpaired)

    @property
    def method(self) -> dict[str, Any]:
        """The settings of the method."""
        return self.settings["method"]

    @property
    def step(self) -> str:
        """The name of the step."""
        return self.module.rsplit(".", 1)[-1]


def run_pretraining(
    build: Callable[[dict, dict], Objective], job: PretrainingJob, starts_from: Sequence[Path] = ()
) -> None:
    """Train the objective that build(models, method settings) returns and write its folder.

    Under torchrun all processes train together and the first one writes.

    Args:
        build: makes the objective after torch has been seeded.
        job: what the step was told.
        starts_from: weight files that `build` reads; they belong to the inputs.
    """
    started = time.monotonic()
    machine = pick_machine(job.settings)
    inputs = [job.dataset, job.split, *filter(None, [job.unpaired]), *starts_from]
    cache_key = digest([job.settings, machine.precision, fingerprint(job.module), [sha256(path) for path in inputs]])
    job.output.mkdir(parents=True, exist_ok=True)
    with processes(machine.device):
        torch.manual_seed(job.method["seed"])
        objective = build(job.settings["models"], job.method).to(machine.device)
        if world() > 1:
            synchronise(objective)
        train, val = (load_split(job, name, objective.fields) for name in ("train", "val"))
        state = pretrain(
            objective,
            train,
            val,
            job.method,
            directory=job.output,
            cache_key=cache_key,
            precision=machine.precision,
            label=job.step,
        )
        if rank() == 0:
            result = describe(job, objective, state, len(train), len(val))
            if job.unpaired:
                result["n_unpaired"] = len(unpaired_eids(job.unpaired))  # of n_train
            about = {**machine.described(job.threads), "processes": world()}
            finish(job.output, objective, {**result, "provenance": provenance(job.module, inputs, started, **about)})


def finish(directory: Path, objective: Objective, result: dict) -> None:
    """Write weights and result.json. The resume point stays until the whole run has ended (leftovers.py)."""
    save_networks(objective, directory)
    write_json(directory / "result.json", result)
    shutil.rmtree(directory / LAST_GOOD, ignore_errors=True)


def load_split(job: PretrainingJob, name: str, fields: tuple[str, ...]) -> PairedData:
    """Return the ECGs and images of one split, each split within half of this process's share of the memory limit.

    For ablations the method may hold `pairs`, how many training subjects are used, and `shuffle_images`. The unpaired
    are trained on, not validated on.
    """
    method = job.method
    eids = split_eids(job.split, name)
    if name == "train" and "pairs" in method:
        eids = drawn(eids, method["pairs"], method["seed"])
    also = job.unpaired if name == "train" else None
    if also:
        eids = np.concatenate([eids, unpaired_eids(also)])
    return PairedData(
        job.dataset,
        eids,
        fields,
        memory_mb=job.memory_mb / 2 / world(),
        image_size=job.settings["models"].get("cmr_encoder", {}).get("image_size"),
        images_of=permuted(eids, method["seed"]) if method.get("shuffle_images") else None,
        also=also,
    )


def unpaired_eids(path: Path) -> np.ndarray:
    """Return the eids (n,) of unpaired.h5."""
    with h5py.File(path, "r") as file:
        return file["eid"][:]


def drawn(eids: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the eids (n,), drawn at random, in their order; fewer are a part of more.

    Raises:
        InputError: if there are not so many.
    """
    if count > len(eids):
        raise InputError(f"ablations: {count} pairs are asked for, yet the train split has {len(eids)}; ask for fewer")
    return eids[np.sort(np.random.default_rng(seed).permutation(len(eids))[:count])]


def permuted(eids: np.ndarray, seed: int) -> np.ndarray:
    """Return the eids (n,) so mixed that nobody keeps their place: all of them along one random ring."""
    ring = np.random.default_rng(seed).permutation(len(eids))
    mixed = np.empty_like(eids)
    mixed[ring] = eids[np.roll(ring, 1)]
    return mixed


def describe(
    job: PretrainingJob, objective: Objective, state: TrainingState, n_train: int, n_val: int
) -> dict[str, Any]:
    """Return result.json without its provenance."""
    settings = job.method
    chosen = state.best_epoch if settings["select"] == "best" else len(state.history) - 1
    row = state.history[chosen]
    seconds = sum(line["epoch_seconds"] for line in state.history)
    waited = sum(line["epoch_seconds"] * line["data_wait_share"] for line in state.history)
    measures = {name: value for name, value in row.items() if name not in NOT_MEASURES}
    return {
        "step": job.step,
        "name": job.output.name,
        "settings": job.settings,
        "seed": settings["seed"],
        "epochs": settings["epochs"],
        "best_epoch": state.best_epoch,
        "selected_epoch": chosen,
        "learning_rate": absolute_rate(settings["base_lr"], settings["batch_size"], settings["lr_reference_batch"]),
        "n_train": n_train,
        "n_val": n_val,
        "validation": {"loss": row["val_loss"], **measures},
        "collapsed": collapsed(row),
        "parameters": sum(value.numel() for value in objective.parameters() if value.requires_grad),
        "epoch_seconds": round(seconds / len(state.history), 3),
        "data_wait_share": round(waited / seconds, 4),
    }

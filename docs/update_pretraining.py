"""Rewrite the numbers of docs/pretraining.md, run from the repository's root with src on the Python path.

python docs/update_pretraining.py             parameters, counted on networks without memory; what the demo's curves
                                              and costs are, where results/demo is finished
python docs/update_pretraining.py --measure   also the cost of an epoch at the paper's size, from a few steps here
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import torch
import yaml
from torch import nn

from cmr2ecg.training.device import autocast, pick_attention, pick_precision
from cmr2ecg.training.optimizer import pretraining_optimizer
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

matplotlib.use("Agg")
sys.path.append(str(Path(__file__).parent))
import matplotlib.pyplot as plt
from pages import ROOT, rewrite

PAGE = ROOT / "docs/pretraining.md"
CURVES = ROOT / "docs/images/pretraining_curves.png"
DEMO = ROOT / "results/demo"
SUBJECTS = 28_030  # of the paper's training set
BATCH, STEPS = 32, 3
CPU = torch.device("cpu")
CONTRASTIVE = {"SimCLR": "simclr", "BYOL": "byol", "Barlow Twins": "barlow_twins", "CLOCS": "clocs"}
FOLDERS = {
    "MAE": "pretrain_mae/mae",
    **{name: f"pretrain_contrastive/{key}" for name, key in CONTRASTIVE.items()},
    "SimCLR (CMR)": "pretrain_cmr/simclr",
    "MMCL": "pretrain_mmcl/mmcl",
    "MMCL without MDM": "pretrain_mmcl/mmcl_without_mdm",
}
Run = tuple[dict, list[dict]]  # result.json and the lines of metrics.jsonl


def builders() -> dict[str, tuple[Callable[[], nn.Module], dict]]:
    """Return what makes each objective at the paper's size, with its settings."""
    paper = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    models, pretrain = paper["models"], paper["pretrain"]
    classes = {"MAE": (MaeObjective, pretrain["mae"])}
    classes |= {name: (OBJECTIVES[key], pretrain["contrastive"][key]) for name, key in CONTRASTIVE.items()}
    classes |= {"SimCLR (CMR)": (CmrSimclrObjective, pretrain["cmr"]), "MMCL": (MmclObjective, pretrain["mmcl"])}
    return {name: (lambda kind=kind, own=own: kind(models, own), own) for name, (kind, own) in classes.items()}


def count(network: nn.Module) -> float:
    """Return the trainable parameters in millions."""
    return sum(value.numel() for value in network.parameters() if value.requires_grad) / 1e6


def parameters() -> Iterator[tuple[str, float, list[float]]]:
    """Yield each method, its parameters and those of the encoders that are kept, on networks without memory."""
    for name, (build, _) in builders().items():
        with torch.device("meta"):
            objective = build()
        kept = [network for key, network in objective.networks().items() if key in ("encoder", "image_encoder")]
        yield name, count(objective), [count(network) for network in kept]


def measured(precision: str) -> Iterator[tuple[str, float]]:
    """Yield each method and the seconds a subject of its training steps at the paper's size on this machine."""
    torch.set_num_threads(os.cpu_count() or 1)
    pick_attention(CPU, precision)
    batch = {"ecg": torch.randn(BATCH, 12, 5000), "cmr": torch.rand(BATCH, 3, 210, 210)}
    for name, (build, settings) in builders().items():
        yield name, seconds_a_step(build().train(), batch, settings, precision) / BATCH


def seconds_a_step(objective: nn.Module, batch: dict, settings: dict, precision: str) -> float:
    """Return the median time of a training step, after one to warm up."""
    optimizer, generator = pretraining_optimizer(objective, settings), torch.Generator().manual_seed(0)
    times = []
    for _ in range(1 + STEPS):
        began = time.perf_counter()
        prepared = objective.prepare(batch, generator, augment=True)
        with autocast(CPU, precision):
            loss = objective.loss(*prepared)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[STEPS // 2]


def finished() -> dict[str, Run]:
    """Return the demo's finished pre-trainings."""
    results = {name: DEMO / folder / "result.json" for name, folder in FOLDERS.items()}
    return {
        name: (
            json.loads(path.read_text()),
            [json.loads(line) for line in path.with_name("metrics.jsonl").read_text().splitlines()],
        )
        for name, path in results.items()
        if path.exists()
    }


def draw(runs: dict[str, Run]) -> None:
    """Draw the curves of the demo's pre-trainings, each in a panel of its own since their losses differ in kind."""
    figure, axes = plt.subplots(2, 4, figsize=(10, 4.6), layout="constrained")
    for axis in axes.flat[len(runs) :]:
        axis.set_visible(False)
    for axis, (name, (_, rows)) in zip(axes.flat, runs.items(), strict=False):
        epochs = [row["epoch"] + 1 for row in rows]
        axis.plot(epochs, [row["train_loss"] for row in rows], color="#222222", label="training")
        axis.plot(epochs, [row["val_loss"] for row in rows], color="#b3202a", label="validation")
        axis.set_title(name, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes.flat[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    figure.savefig(CURVES, dpi=100)
    plt.close(figure)


def main() -> None:
    """Rewrite the blocks of docs/pretraining.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the cost of an epoch, some minutes")
    measure, runs = parser.parse_args().measure, finished()
    if runs:
        draw(runs)
    rewrite(PAGE, values(runs), keep=["cost"] * (not measure) + ["demo"] * (not runs))


def values(runs: dict[str, Run]) -> dict[str, object]:
    """Return what the template can name."""
    size = {"steps": STEPS, "batch": BATCH, "subjects": SUBJECTS, "cores": os.cpu_count()}
    precision = pick_precision("auto", CPU)
    return {"parameters": parameters, "measured": measured, "precision": precision, "runs": runs, **size}


if __name__ == "__main__":
    main()

"""Rewrite the numbers of docs/pretraining.md, run from the repository's root with src on the Python path.

python docs/update_pretraining.py             parameters, counted on networks without memory; what the demo's curves
                                              and costs are, where results/demo is finished
python docs/update_pretraining.py --measure   also the cost of an epoch at the paper's size, from a few steps here
"""

import argparse
import json
import os
import time
from collections.abc import Callable
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
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/pretraining.md"
CURVES = ROOT / "docs/images/pretraining_curves.png"
DEMO = ROOT / "results/demo"
SUBJECTS = 28_030  # of the paper's training set
BATCH, STEPS = 32, 3
CPU = torch.device("cpu")

FOLDERS = {
    "MAE": "pretrain_mae/mae",
    "SimCLR": "pretrain_contrastive/simclr",
    "BYOL": "pretrain_contrastive/byol",
    "Barlow Twins": "pretrain_contrastive/barlow_twins",
    "CLOCS": "pretrain_contrastive/clocs",
    "SimCLR (CMR)": "pretrain_cmr/simclr",
    "MMCL": "pretrain_mmcl/mmcl",
    "MMCL without MDM": "pretrain_mmcl/mmcl_without_mdm",
}


def builders() -> dict[str, tuple[Callable[[], nn.Module], dict]]:
    """Return what makes each objective at the paper's size, with its settings."""
    paper = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    models, pretrain = paper["models"], paper["pretrain"]
    classes = {"MAE": (MaeObjective, pretrain["mae"])}
    titles = {"simclr": "SimCLR", "byol": "BYOL", "barlow_twins": "Barlow Twins", "clocs": "CLOCS"}
    classes |= {titles[name]: (OBJECTIVES[name], pretrain["contrastive"][name]) for name in titles}
    classes |= {"SimCLR (CMR)": (CmrSimclrObjective, pretrain["cmr"]), "MMCL": (MmclObjective, pretrain["mmcl"])}
    return {name: (lambda kind=kind, own=own: kind(models, own), own) for name, (kind, own) in classes.items()}


def count(network: nn.Module) -> float:
    """Return the trainable parameters in millions."""
    return sum(value.numel() for value in network.parameters() if value.requires_grad) / 1e6


def parameters() -> str:
    """Return the table of parameters, counted without giving the networks memory."""
    lines = ["| method | trained, millions | of these in the encoder(s) that are kept |", "|---|---|---|"]
    for name, (build, _) in builders().items():
        with torch.device("meta"):
            objective = build()
        kept = [network for key, network in objective.networks().items() if key in ("encoder", "image_encoder")]
        parts = " + ".join(f"{count(network):.2f}" for network in kept)
        lines.append(f"| {name} | {count(objective):.2f} | {parts} |")
    return "\n".join(lines)


def measured() -> str:
    """Return the table of the cost of an epoch at the paper's size on this machine."""
    torch.set_num_threads(os.cpu_count() or 1)
    precision = pick_precision("auto", CPU)
    pick_attention(CPU, precision)
    batch = {"ecg": torch.randn(BATCH, 12, 5000), "cmr": torch.rand(BATCH, 3, 210, 210)}
    lines = [
        f"Median of {STEPS} steps of {BATCH} subjects (augmentation, forward, backward, update) on {os.cpu_count()} "
        f"cores in {precision}, times {SUBJECTS:,} subjects; the paper's GPU is far faster.",
        "",
        "| method | ms a subject | hours an epoch |",
        "|---|---|---|",
    ]
    for name, (build, settings) in builders().items():
        seconds = seconds_a_step(build().train(), batch, settings, precision)
        lines.append(f"| {name} | {1000 * seconds / BATCH:.0f} | {seconds / BATCH * SUBJECTS / 3600:.2f} |")
    return "\n".join(lines)


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


def finished() -> dict[str, tuple[dict, list[dict]]]:
    """Return result.json and the lines of metrics.jsonl of the demo's finished pre-trainings."""
    runs = {}
    for name, folder in FOLDERS.items():
        path = DEMO / folder
        if (path / "result.json").exists():
            rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
            runs[name] = json.loads((path / "result.json").read_text()), rows
    return runs


def demo(runs: dict[str, tuple[dict, list[dict]]]) -> str:
    """Return the demo's table and the link to its curves."""
    lines = ["| method | ECGs or pairs | epochs | learning rate | seconds an epoch | validation loss | collapsed |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, (result, _) in runs.items():
        loss = result["validation"]["loss"]
        lines.append(
            f"| {name} | {result['n_train']} | {result['epochs']} | {result['learning_rate']:.2g} | "
            f"{result['epoch_seconds']:.2f} | {loss:.3f} | {'yes' if result['collapsed'] else 'no'} |"
        )
    return "\n".join([*lines, "", "![training and validation loss by epoch](images/pretraining_curves.png)"])


def draw(runs: dict[str, tuple[dict, list[dict]]]) -> None:
    """Draw the curves of the demo's pre-trainings, each in a panel of its own since their losses differ in kind."""
    figure, axes = plt.subplots(2, 4, figsize=(10, 4.6), layout="constrained")
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, (name, (_, rows)) in zip(axes.flat, runs.items(), strict=False):
        axis.set_visible(True)
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


def replaced(text: str, block: str, content: str) -> str:
    """Return the page's text with a block between its two comments replaced."""
    start, end = f"<!-- {block}: written by docs/update_pretraining.py -->", f"<!-- end of {block} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Rewrite the blocks of docs/pretraining.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the cost of an epoch, some minutes")
    args = parser.parse_args()
    text = replaced(PAGE.read_text(encoding="utf-8"), "parameters", parameters())
    if args.measure:
        text = replaced(text, "cost", measured())
    runs = finished()
    if runs:
        draw(runs)
        text = replaced(text, "demo", demo(runs))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Five seeds: in one job against five processes, and one after the other against one batched model (vmap)."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
import yaml
from timm.layers import Attention
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from cmr2ecg.benchmarks.finetune import step_of
from cmr2ecg.benchmarks.rows import alone
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.benchmarks.training import side_by_side
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.tables.phenotypes import phenotype_fields
from cmr2ecg.training.device import autocast, pick_attention, pick_device, pick_precision

SEEDS = [0, 101, 202, 303, 404]
BATCH = 16  # the paper's config
SUBJECTS, EPOCHS = 96, 5


def run() -> list[dict]:
    """Return the rows seeds_in_one_job (seeds a second) and seed_loop_vs_batched (samples a second)."""
    with tempfile.TemporaryDirectory() as folder:
        return [seeds_in_one_job(Path(folder)), seed_loop_vs_batched()]


def seeds_in_one_job(folder: Path) -> dict:
    """Time the fine-tuning step with five seeds, and five times with one, at the size of the demo's networks."""
    write_cohort(folder)
    together = timed(folder, [SEEDS])
    apart = timed(folder, [[seed] for seed in SEEDS])
    return {
        "name": "seeds_in_one_job",
        "ours": len(SEEDS) / together,
        "plain": len(SEEDS) / apart,
        "unit": "seeds/s",
        "ratio": apart / together,
        "note": f"the demo's networks, 32 training subjects, {EPOCHS} epochs; what is saved is start-up and reading",
    }


def write_cohort(folder: Path) -> None:
    """Write a dataset of noise with tables: 32 subjects to train on, 32 each in val and test."""
    rng = np.random.default_rng(0)
    eids, labels = 9000001 + np.arange(SUBJECTS), np.arange(SUBJECTS) % 2
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["eid"] = eids
        file["ecg"] = rng.standard_normal((SUBJECTS, 12, 5000)).astype("f4")
    pd.DataFrame({"eid": eids, "split": np.repeat(["train", "val", "test"], 32)}).to_csv(folder / "split.csv")
    pd.DataFrame({"eid": eids, "cad": labels}).to_parquet(folder / "labels.parquet")
    pd.DataFrame({"eid": eids}).assign(**dict.fromkeys(phenotype_fields(), 0.0)).to_parquet(
        folder / "phenotypes.parquet"
    )
    pd.DataFrame({"eid": eids[:32], "label": labels[:32]}).to_csv(folder / "cad_100.csv", index=False)


def timed(folder: Path, jobs: list[list[int]]) -> float:
    """Return the seconds that processes with these seeds take one after the other."""
    demo = yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())["models"]["ecg_encoder"]
    models = {"ecg_encoder": {**paper_settings()["models"]["ecg_encoder"], **demo}}
    started = time.perf_counter()
    for number, seeds in enumerate(jobs):
        method = {**paper_settings()["finetune"], "seeds": seeds, "epochs": EPOCHS, "minimum_steps": 1}
        settings = {"method": method, "models": models, "device": "cpu", "precision": "auto", "blocks": 1, "draws": 1}
        paths = {name: folder / f"{name}.parquet" for name in ("labels", "phenotypes")}
        paths |= {"dataset": folder / "dataset.h5", "split": folder / "split.csv", "subsets": folder}
        arguments = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
        command = [sys.executable, "-m", "cmr2ecg.steps.finetune", "--settings", json.dumps(settings), *arguments]
        command += ["--encoder", "supervised", "--fits", "cad/100", "--log", str(folder / "log")]
        command += ["--output", str(folder / f"{len(jobs)}_{number}")]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(SOURCE)})
    return time.perf_counter() - started


def seed_loop_vs_batched() -> dict:
    """Time a step of five models one after the other (ours) and as one batched model, at the paper's size."""
    device = pick_device("auto")
    precision = pick_precision("auto", device)
    pick_attention(device, precision)
    models = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        models.append(EcgPredictor(EcgEncoder(), 2).to(device))
    ecg = torch.randn(len(SEEDS), BATCH, 12, 2500, device=device)
    labels = torch.arange(BATCH, device=device) % 2
    batched = batched_step(models, ecg, labels, precision)
    steps = [step_of(model, ecg[k], labels, precision, fused=True) for k, model in enumerate(models)]
    seconds = side_by_side(lambda: [step() for step in steps], batched)
    done = len(SEEDS) * BATCH
    return {
        "name": "seed_loop_vs_batched",
        "ours": done / seconds[0],
        "plain": done / seconds[1],
        "unit": "samples/s",
        "ratio": seconds[1] / seconds[0],
        "note": f"{device.type}, {precision}, paper's size, 5 seeds x batch {BATCH}; plain: torch.func.vmap",
    }


def batched_step(models: list[EcgPredictor], ecg: Tensor, labels: Tensor, precision: str) -> Callable[[], None]:
    """Return one step of all models at once: weights stacked along a new first axis, one fused AdamW over the stack."""
    models = copy.deepcopy(models)
    for block in (block for model in models for block in model.encoder.blocks):
        block.attn.__class__ = Attention  # attention in pieces is an autograd.Function, which vmap does not take
    weights, buffers = stack_module_state(models)
    weights = {name: value.detach() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(list(weights.values()), lr=1e-4, weight_decay=0.2, fused=True)

    def loss(own: dict[str, Tensor], own_buffers: dict[str, Tensor], batch: Tensor) -> Tensor:
        with autocast(ecg.device, precision):
            outputs = functional_call(models[0], (own, own_buffers), (batch,))
        return cross_entropy(outputs.float(), labels, label_smoothing=0.2)

    gradients = vmap(grad(loss), in_dims=(0, 0, 0), randomness="different")

    def step() -> None:
        for name, value in gradients(weights, buffers, ecg).items():
            weights[name].grad = value
        optimizer.step()

    return step


if __name__ == "__main__":
    alone(run, __doc__)

"""Rewrite the block `draws` of docs/results.md: what the choice of a small training set does to the negative controls.

Run by `make results`, twenty minutes. Ten draws of 10 % of the positives with as many negatives, each with a seed of
its own; every encoder is probed and fine-tuned on each, as in the study, and scored on validation subjects. Test
subjects are not read.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from cmr2ecg.data.labels import rows_for, split_eids
from cmr2ecg.data.loading import PairedData
from cmr2ecg.data.view import View
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.device import pick_attention, pick_device, pick_precision
from cmr2ecg.training.finetune import Fit, Fold, Setup
from cmr2ecg.training.probe import Embedded, embed, fit_probe
from cmr2ecg.training.targets import task_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"
STUDY = ROOT / "results/study"
ENCODERS = {  # the first one is what the others are compared with
    "mae": ("MAE", "pretrain_mae/mae"),
    "mmcl_shuffled": ("MMCL, images shuffled", "pretrain_mmcl/mmcl_shuffled"),
    "mmcl_shuffled_once": ("MMCL, shuffled once", "pretrain_mmcl/mmcl_shuffled_once"),
    "mmcl_without_mdm": ("MMCL w/o MDM", "pretrain_mmcl/mmcl_without_mdm"),
    "mmcl": ("MMCL (ours)", "pretrain_mmcl/mmcl"),
}
DISEASES = ("cad", "af", "dm")
DRAWS, SHARE = 10, 0.1
START, END = "<!-- draws: written by docs/subset_draws.py -->", "<!-- end of draws -->"


def main() -> None:
    """Compute the table and put it into the page."""
    torch.set_num_threads(1)
    eids = {split: split_eids(STUDY / "split_subjects/split.csv", split) for split in ("train", "val")}
    whole = np.concatenate([eids["train"], eids["val"]])
    data = PairedData(STUDY / "assemble_dataset/dataset.h5", whole, ("ecg",), memory_mb=4000)
    labels = rows_for(STUDY / "read_tabular/labels.parquet", whole)[list(DISEASES)].to_numpy(float)
    places = {"train": np.arange(len(eids["train"])), "val": np.arange(len(eids["train"]), len(whole))}
    lines, base = [], None
    for encoder, (title, folder) in ENCODERS.items():
        scores = scores_of(encoder, STUDY / folder / "encoder.safetensors", data, labels, places)
        base = scores if base is None else base
        rank = effective_rank(embeddings(encoder, STUDY / folder / "encoder.safetensors", data)[places["train"]])
        lines.append([title, f"{rank:.0f}", *shown(scores, base)])
        print(" | ".join(lines[-1]), flush=True)
    heads = ["", "effective rank", *(f"{d.upper()}, {how}" for d in DISEASES for how in ("probe", "fine-tuned"))]
    marks = ["---", *["---:"] * (len(heads) - 1)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (heads, marks, *lines))
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def settings_of(fit: str, encoder: str) -> dict:
    """Return the settings that the study fine-tuned or probed an encoder with."""
    return json.loads((STUDY / f"{fit}/{encoder}/cad/10/result.json").read_text())["settings"]


def embeddings(encoder: str, weights: Path, data: PairedData) -> np.ndarray:
    """Return the embeddings (n, dim) of the first samples of each ECG."""
    settings = settings_of("probe", encoder)
    device = pick_device(settings["device"])
    network = EcgEncoder(**settings["models"]["ecg_encoder"])
    network.load_state_dict(load_file(weights))
    return embed(network.to(device), data, "ecg", device, pick_precision(settings["precision"], device))


def scores_of(
    encoder: str, weights: Path, data: PairedData, labels: np.ndarray, places: dict[str, np.ndarray]
) -> np.ndarray:
    """Return validation AUROC in percent (draws, diseases, 2), of a linear probe and of the fine-tuned encoder."""
    settings, penalties = settings_of("finetune", encoder), settings_of("probe", encoder)["method"]["penalties"]
    device = pick_device(settings["device"])
    precision = pick_precision(settings["precision"], device)
    pick_attention(device, precision)
    features, start = embeddings(encoder, weights, data), load_file(weights)
    found = np.empty((DRAWS, len(DISEASES), 2))
    for draw in range(DRAWS):
        for column, disease in enumerate(DISEASES):
            rows = {"train": drawn(labels[places["train"], column], draw), "val": places["val"]}
            task, values = task_of(disease), labels[:, column : column + 1]
            folds = {name: Fold(View(data, own), data.rows[own], values[own]) for name, own in rows.items()}
            probe = fit_probe(task, embedded(features, folds), penalties)
            networks, train, val = settings["models"], folds["train"], folds["val"]
            setup = Setup(encoder, networks, start, task, train, val, device, precision)
            fit = Fit(setup, settings["method"], seed=draw).advance()
            found[draw, column] = 100 * probe.best_score, 100 * fit.best_score
    return found


def embedded(features: np.ndarray, folds: dict[str, Fold]) -> dict[str, Embedded]:
    """Return the folds as a probe sees them."""
    return {name: Embedded(features[fold.data.positions], fold.values) for name, fold in folds.items()}


def drawn(labels: np.ndarray, draw: int) -> np.ndarray:
    """Return the positions of a share of the positives among labels (n,) and of as many negatives."""
    chance, count = np.random.default_rng(draw), round(SHARE * np.count_nonzero(labels == 1))
    return np.concatenate([chance.permutation(np.flatnonzero(labels == value))[:count] for value in (1, 0)])


def shown(scores: np.ndarray, base: np.ndarray) -> list[str]:
    """Return "mean ± standard deviation (difference from the base over the same draws ± standard error)"."""
    cells = []
    for column in range(len(DISEASES)):
        for how in range(2):
            own, other = scores[:, column, how], base[:, column, how]
            cell = f"{own.mean():.1f} ± {own.std(ddof=1):.1f}"
            if scores is not base:
                error = (own - other).std(ddof=1) / np.sqrt(DRAWS)
                cell += f" ({(own - other).mean():+.1f} ± {error:.1f})".replace("-", "−")
            cells.append(cell)
    return cells


def effective_rank(features: np.ndarray) -> float:
    """Return the exponential of the entropy of the covariance's eigenvalues (Roy and Vetterli 2007)."""
    values = np.linalg.eigvalsh(np.cov(features.T)).clip(1e-12)
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


if __name__ == "__main__":
    main()

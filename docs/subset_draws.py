"""Rewrite the block `draws` of docs/results.md: what the choice of a small training set does to the negative control.

Run by `make results`. Embeddings of frozen encoders, 20 draws of 10 % of the positives with as many negatives, AUROC on
validation subjects: by a linear probe of standardised embeddings, and by as many steps of the fine-tuning's optimiser
on raw ones. Test subjects are not read.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cmr2ecg.data.labels import rows_for, split_eids
from cmr2ecg.data.loading import PairedData
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training.checkpoint import load_weights
from cmr2ecg.training.probe import embed

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"
STUDY = ROOT / "results/study"
ENCODERS = {
    "MAE": "pretrain_mae/mae",
    "MMCL, images shuffled": "pretrain_mmcl/mmcl_shuffled",
    "MMCL w/o MDM": "pretrain_mmcl/mmcl_without_mdm",
    "MMCL (ours)": "pretrain_mmcl/mmcl",
}
DISEASES = ("cad", "af", "dm")
DRAWS, SHARE, PENALTY = 20, 0.1, 100.0
HEAD_RATE = 1.2e-3  # of the new head alone, four times the study's rate for the whole network
START, END = "<!-- draws: written by docs/subset_draws.py -->", "<!-- end of draws -->"


def main() -> None:
    """Compute the table and put it into the page."""
    torch.set_num_threads(1)
    config = yaml.safe_load((ROOT / "config/study.yaml").read_text())
    eids = {split: split_eids(STUDY / "split_subjects/split.csv", split) for split in ("train", "val")}
    labels = {split: rows_for(STUDY / "read_tabular/labels.parquet", eids[split]) for split in eids}
    lines = []
    for title, folder in ENCODERS.items():
        encoder = EcgEncoder(**config["models"]["ecg_encoder"])
        load_weights(STUDY / folder / "encoder.safetensors", encoder)
        features = {split: embedded(encoder, eids[split], config["memory_mb"]) for split in eids}
        cells = [shown(features, labels, disease) for disease in DISEASES]
        lines.append([title, f"{effective_rank(features['train']):.0f}", *(cell for pair in cells for cell in pair)])
    heads = ["", "effective rank", *(f"{d.upper()}, {how}" for d in DISEASES for how in ("probe", "steps"))]
    marks = ["---", *["---:"] * (len(heads) - 1)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (heads, marks, *lines))
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def embedded(encoder: EcgEncoder, eids: np.ndarray, memory_mb: int) -> np.ndarray:
    """Return embeddings (n, dim) of the first samples of each ECG."""
    data = PairedData(STUDY / "assemble_dataset/dataset.h5", eids, ("ecg",), memory_mb=memory_mb)
    return embed(encoder, data, "ecg", torch.device("cpu"), "bf16")


def effective_rank(features: np.ndarray) -> float:
    """Return the exponential of the entropy of the covariance's eigenvalues (Roy and Vetterli 2007)."""
    values = np.linalg.eigvalsh(np.cov(features.T)).clip(1e-12)
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def shown(features: dict[str, np.ndarray], labels: dict[str, pd.DataFrame], disease: str) -> tuple[str, str]:
    """Return mean ± standard deviation over the draws, of the probe and of the optimiser's steps, in percent."""
    mean, spread = features["train"].mean(0), features["train"].std(0) + 1e-9
    scaled = {split: (values - mean) / spread for split, values in features.items()}
    known, truth = labels["train"][disease].to_numpy(), labels["val"][disease].to_numpy()
    chance = np.random.default_rng(0)
    scores = []
    for draw in range(DRAWS):
        count = round(known.sum() * SHARE)
        rows = np.concatenate([chance.permutation(np.flatnonzero(known == value))[:count] for value in (1, 0)])
        probe = LogisticRegression(C=1 / PENALTY, max_iter=500).fit(scaled["train"][rows], known[rows])
        steps = stepped(features["train"][rows], known[rows], features["val"], draw)
        predictions = (probe.decision_function(scaled["val"]), steps)
        scores.append([100 * roc_auc_score(truth, prediction) for prediction in predictions])
    means, spreads = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1)
    return tuple(f"{mean:.1f} ± {spread:.1f}" for mean, spread in zip(means, spreads, strict=True))


def stepped(features: np.ndarray, known: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """Return the scores of `asked` by a linear head after 12 epochs of AdamW in batches of 32, as in the study."""
    torch.manual_seed(seed)
    inputs, wanted = torch.tensor(features, dtype=torch.float32), torch.tensor(known, dtype=torch.float32)
    head = torch.nn.Linear(inputs.shape[1], 1)
    optimizer = torch.optim.AdamW(head.parameters(), HEAD_RATE, weight_decay=0.1)
    for _ in range(12):
        for batch in torch.randperm(len(inputs)).split(32):
            optimizer.zero_grad()
            scores = head(inputs[batch])[:, 0]
            torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return head(torch.tensor(asked, dtype=torch.float32))[:, 0].numpy()


if __name__ == "__main__":
    main()

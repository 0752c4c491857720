"""A made-up finished run with random networks, from which a release can be put together in a second."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import save_file

from cmr2ecg.loading.labels import output_names
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.steps import evaluate
from cmr2ecg.steps import release as step
from cmr2ecg.study.targets import is_regression

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"leads": 12, "samples": 2500, "patch": 500, "dim": 16, "depth": 1, "heads": 2}
SEEDS, SUBJECTS = (0, 101, 202), 60
SMOOTHING = 0.1
PREVALENCE = 0.3
CLEANING = yaml.safe_load((ROOT / "config/paper.yaml").read_text())["clean_ecg"]


def make_fit(folder: Path, target: str, pooling: str = "clip") -> Path:
    """Write what a fine-tuning leaves: result.json, predictions.parquet and every seed's weights."""
    names, rng = output_names(target), np.random.default_rng(len(target))
    fit = folder / "finetune/mmcl" / target / "100"
    (fit / "seeds").mkdir(parents=True)
    for seed in SEEDS:
        torch.manual_seed(seed)
        network = EcgPredictor(EcgEncoder(**SIZES), len(names) if is_regression(target) else 2, pooling)
        torch.nn.init.normal_(network.head.weight, std=0.5)
        save_file(network.state_dict(), fit / "seeds" / f"{seed}.safetensors")
    rows = []
    for name in names:
        truth = (rng.random(SUBJECTS) < PREVALENCE).astype(float)
        if is_regression(target):
            truth = np.where(rng.random(SUBJECTS) < 0.2, np.nan, rng.normal(100, 10, SUBJECTS))
        for seed in SEEDS:
            score = np.nan_to_num(truth, nan=100) + rng.normal(0, 5, SUBJECTS)
            if not is_regression(target):
                score = 1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(0, 1, SUBJECTS))))
            split = np.where(np.arange(SUBJECTS) % 2, "val", "test")
            about = {"seed": seed, "eid": 9000001 + np.arange(SUBJECTS), "split": split, "output": name}
            rows.append(pd.DataFrame({**about, "y_true": truth, "y_score": score}))
    pd.concat(rows).to_parquet(fit / "predictions.parquet", index=False)
    method = {"pooling": pooling, "evaluation_crops": 1, "label_smoothing": SMOOTHING}
    result = {
        "encoder": "mmcl",
        "target": target,
        "fraction": 100,
        "outputs": names,
        "seeds": list(SEEDS),
        "n_train": 40,
    }
    if is_regression(target):
        result["scale"] = {"mean": [100.0] * len(names), "std": [10.0] * len(names)}
    (fit / "result.json").write_text(json.dumps(result | {"settings": {"method": method}}))
    return fit


def make_release(folder: Path, targets=("cad", "lv", "wt"), onnx: bool = False, pooling: str = "clip") -> Path:
    """Return the folder of a release that the step made of such fits."""
    fits = [make_fit(folder, target, pooling) for target in targets]
    torch.manual_seed(7)
    save_file(EcgEncoder(**SIZES).state_dict(), folder / "encoder.safetensors")
    (folder / "result.json").write_text(json.dumps({"n_train": 1200, "n_unpaired": 1050}))
    eids = 9000001 + np.arange(200)
    pd.DataFrame({"eid": eids, "split": np.repeat(["train", "val"], 100)}).to_csv(folder / "split.csv", index=False)
    sick = (np.arange(200) % 10 < 3).astype("int8")
    labels = pd.DataFrame({"eid": eids, "cad": sick, "hf": sick})
    labels.to_parquet(folder / "labels.parquet", index=False)
    flow = pd.DataFrame([("index_cohort", "no ECG file", 210, 200)], columns=["step", "reason", "n_in", "n_out"])
    flow.to_csv(folder / "flow.csv", index=False)
    for name in ("intervals", "analyses", "calibration"):
        row = dict.fromkeys(evaluate.COLUMNS[name], 0.75)
        row |= {"fit": "finetune", "encoder": "mmcl", "target": "cad", "fraction": 100, "metric": "auroc"}
        row |= {"analysis": "sex", "group": "female"} if name == "analyses" else {}
        pd.DataFrame([row]).reindex(columns=evaluate.COLUMNS[name]).to_csv(folder / f"{name}.csv", index=False)
    settings = {
        "coverage": 0.9,
        "onnx": onnx,
        "ecg_encoder": SIZES,
        "clean_ecg": CLEANING,
        "codes": {"hf": ["I50", "I110"]},
        "cohort": {"kind": "ukb", "coding": "ICD-10", "several": "subjects", "balanced": True},
    }
    files = {name: folder / f"{name}.csv" for name in ("split", "flow", "intervals", "analyses", "calibration")}
    files |= {"weights": folder / "encoder.safetensors", "labels": folder / "labels.parquet"}
    arguments = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    arguments += ["--settings", json.dumps(settings), "--name", "mmcl", "--cohort", "made_up", "--synthetic"]
    step.main([*arguments, "--fits", *map(str, fits), "--output", str(folder / "release/mmcl")])
    return folder / "release/mmcl"

"""The block at the head of a model card that Hugging Face reads: what the model is, and its scores on the test split.

Source: https://huggingface.co/docs/hub/model-cards.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from cmr2ecg.evaluate.tables.names import DISEASES

METRICS = {"auroc": ("roc_auc", "AUROC"), "r": ("pearsonr", "Pearson's r, mean over the group's phenotypes")}
TAGS = ["ecg", "electrocardiography", "cardiology", "cardiac-mri", "contrastive-learning", "masked-autoencoder", "onnx"]


def metadata(config: Mapping[str, Any], intervals: pd.DataFrame) -> str:
    """Return the block with its marks.

    Weights learnt from participants' data have the licence that the data's owner allows, which is not ours to state;
    those of a synthetic cohort have that of the code.

    Args:
        config: of the release.
        intervals: target, metric, mean of the released fits.
    """
    licence = {"license": "mit"} if config["synthetic"] else {"license": "other", "license_name": "see-the-data-owner"}
    rows = zip(intervals["target"], intervals["metric"], intervals["mean"], strict=True)
    results = [_result(config["cohort"], *row) for row in rows if row[1] in METRICS and not pd.isna(row[2])]
    block = licence | {
        "library_name": "cmr2ecg",
        "tags": TAGS + ["synthetic-data"] * config["synthetic"],
        "model-index": [{"name": config["name"], "results": results}],
    }
    return f"---\n{yaml.safe_dump(block, sort_keys=False, allow_unicode=True)}---\n"


def _result(cohort: str, target: str, metric: str, value: float) -> dict[str, Any]:
    kind, name = METRICS[metric]
    return {
        "task": {"type": "other", "name": f"{DISEASES[target]} from a 12-lead ECG"},
        "dataset": {"type": cohort, "name": f"Cohort {cohort}", "split": "test"},
        "metrics": [{"type": kind, "name": name, "value": round(float(value), 4)}],
    }

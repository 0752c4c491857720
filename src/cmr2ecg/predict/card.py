"""The model card of a release, written from the run's files, with the metadata block that Hugging Face reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cmr2ecg.report.tables.formats import Table, markdown_grid
from cmr2ecg.report.tables.names import DISEASES
from cmr2ecg.report.tables.sheet import WHOLE, number

COUNTS = ("n", "n_positive", "n_in", "n_out")
FLOW = {"step": "step", "reason": "left for", "n_in": "before", "n_out": "after"}
SCORES = {"metric": "metric", "mean": "mean", "low": "low", "high": "high", "n": "subjects"}
SCORES |= {"n_positive": "with the disease"}
METRICS = {"target": "target"} | SCORES
ANALYSES = {"target": "target", "analysis": "analysis", "group": "group"} | SCORES
CALIBRATION = {"target": "target", "prevalence": "prevalence", "auprc": "AUPRC", "brier": "Brier", "slope": "slope"}
CALIBRATION |= {"intercept": "intercept"}
HUB_METRICS = {"auroc": ("roc_auc", "AUROC"), "r": ("pearsonr", "Pearson's r, mean over the group's phenotypes")}
TAGS = ["ecg", "electrocardiography", "cardiology", "masked-autoencoder", "onnx"]
MMCL_TAGS = ["cardiac-mri", "contrastive-learning"]  # of encoders that learnt from images


def model_card(
    config: Mapping[str, Any],
    flow: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    sizes: Mapping[str, Any],
    population: Mapping[str, Any],
) -> str:
    """Return README.md of a release.

    Args:
        config: of the release.
        flow: step, reason, n_in, n_out of the cohort.
        tables: intervals, analyses, calibration of the evaluation (all models).
        sizes: of the splits, subjects by name.
        population: kind, coding, several, balanced (`study.sections.cohort_of`).
    """
    pages = Environment(  # Markdown, not HTML: only cells of tables are escaped
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    mine = {key: of_release(table, config) for key, table in tables.items()}
    return pages.get_template("card.jinja").render(
        **config,
        metadata=metadata(config, mine["intervals"]),
        names=DISEASES,
        risks=[target for target, about in config["targets"].items() if "calibration" in about],
        counted=counted,
        splits=sizes,
        population={name: population[name] for name in ("kind", "coding", "several", "balanced")},
        flow=grid(flow, FLOW, 2),
        intervals=grid(mine["intervals"], METRICS, 2),
        calibration=grid(mine["calibration"], CALIBRATION, 1),
        analyses=grid(mine["analyses"].dropna(subset="mean"), ANALYSES, 4),
    )


def of_release(table: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of an evaluation's table for the released fits, in the order of the targets."""
    targets = list(config["targets"])
    rows = table[(table["fit"] == "finetune") & (table["encoder"] == config["encoder"]) & table["target"].isin(targets)]
    rows = rows[rows["fraction"].astype(int) == WHOLE]
    return rows.sort_values("target", key=lambda names: names.map(targets.index), kind="stable")


def grid(table: pd.DataFrame, columns: Mapping[str, str], left: int) -> str:
    """Return columns of a table under other names as Markdown, the first `left` being words."""
    if table.empty:
        return "(none)"
    rows = [[shown(row[name], name in COUNTS) for name in columns] for row in table.to_dict("records")]
    return markdown_grid(Table("", "", list(columns.values()), rows, left))


def shown(value: object, counted: bool) -> str:
    """Return a cell's text: numbers with three decimals, those of COUNTS whole."""
    return number(value, 0 if counted else 3) if isinstance(value, float) else str(value)


def counted(things: Sequence, word: str) -> str:
    """Return "1 output" or "6 outputs"."""
    return f"{len(things)} {word}" + "s" * (len(things) != 1)


def metadata(config: Mapping[str, Any], intervals: pd.DataFrame) -> str:
    """Return the metadata block with its delimiters.

    The licence of weights trained on participants' data depends on the data's owner and is not stated;
    those of a synthetic cohort have that of the code.

    Args:
        config: of the release.
        intervals: target, metric, mean of the released fits.
    """
    licence = {"license": "mit"} if config["synthetic"] else {"license": "other", "license_name": "see-the-data-owner"}
    rows = zip(intervals["target"], intervals["metric"], intervals["mean"], strict=True)
    results = [_result(config["cohort"], *row) for row in rows if row[1] in HUB_METRICS and not pd.isna(row[2])]
    block = licence | {
        "library_name": "cmr2ecg",
        "tags": [*TAGS, *MMCL_TAGS * config["name"].startswith("mmcl"), *["synthetic-data"] * config["synthetic"]],
        "model-index": [{"name": config["name"], "results": results}],
    }
    return f"---\n{yaml.safe_dump(block, sort_keys=False, allow_unicode=True)}---\n"


def _result(cohort: str, target: str, metric: str, value: float) -> dict[str, Any]:
    kind, name = HUB_METRICS[metric]
    return {
        "task": {"type": "other", "name": f"{DISEASES[target]} from a 12-lead ECG"},
        "dataset": {"type": cohort, "name": f"Cohort {cohort}", "split": "test"},
        "metrics": [{"type": kind, "name": name, "value": round(float(value), 4)}],
    }

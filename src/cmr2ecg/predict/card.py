"""The model card of a release, written from the run's own files, with the block at its head that Hugging Face reads."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from cmr2ecg.report.tables.names import DISEASES

INTENDED = """\
For research on what a resting 12-lead ECG says about the heart: to compare methods, to study cohorts, to plan studies.
It is not a medical device. No decision about a person may rest on it: not to diagnose, not to exclude, not to treat,
not to insure, not to hire."""

LIMITS = """\
- Learnt from one cohort, at one rate and length of recording and one device make. Other devices, filters, ages,
  ancestries and settings (emergency, ward, sport) were not tested; expect worse numbers there. UK Biobank's volunteers
  are 40 to 69 at recruitment, healthier than the population, and mostly white.
- A disease is an entry in the records, past or future, not a finding on the day of the ECG.
- A risk is calibrated to the prevalence stated above. Where yours differs, give it with `--prevalence`.
- An interval holds the stated share of new subjects of the same cohort on average, not of every kind of subject.
- The spread of the seeds says how much training's chance matters, not how wrong the mean can be.
- Subjects with the disease were oversampled in training; few of them stand behind the numbers of rare diseases."""


def model_card(
    config: Mapping[str, Any], flow: pd.DataFrame, tables: Mapping[str, pd.DataFrame], sizes: Mapping[str, Any]
) -> str:
    """Return README.md of a release.

    Args:
        config: of the release.
        flow: step, reason, n_in, n_out of the cohort.
        tables: intervals, analyses, calibration of the evaluation (all models).
        sizes: of the splits, subjects by name.
    """
    name = config["name"]
    mine = {key: of_release(table, config) for key, table in tables.items()}
    parts = [
        metadata(config, mine["intervals"]) + f"\n# {name}: risks and cardiac phenotypes from a 12-lead ECG",
        "**Research software, not a medical device.**" + SYNTHETIC * config["synthetic"],
        "## Intended use\n\n" + INTENDED,
        "## Use\n\n" + usage(config),
        "## What is in it\n\n" + contents(config),
        f"## Data\n\nCohort `{config['cohort']}`: "
        + ", ".join(f"{n} {split}" for split, n in sizes.items())
        + " subjects.\n\n"
        + markdown(flow, {"step": "step", "reason": "left for", "n_in": "before", "n_out": "after"}),
        "## How good it is\n\n" + HOW + markdown(mine["intervals"], METRICS),
        "Calibration of the single seeds, with label smoothing undone and the prior put right, before this release's "
        "recalibration:\n\n" + markdown(mine["calibration"], CALIBRATION),
        "## Subgroups\n\nThose with enough subjects for a number.\n\n"
        + markdown(mine["analyses"].dropna(subset="mean"), ANALYSES),
        "## Risks and intervals\n\n" + calibration_text(config),
        "## Limits\n\n" + LIMITS,
        "## Where it comes from\n\n" + origin(config),
    ]
    return "\n\n".join(parts) + "\n"


COUNTS = ("n", "n_positive", "n_in", "n_out")
SYNTHETIC = (
    " It was trained on a **synthetic** cohort of drawn ECGs and hearts: it shows how things work, and its numbers say "
    "nothing about anybody."
)
HOW = (
    "Test split: mean over seeds, 95 % interval over subjects and training runs. AUROC for diseases, Pearson's r, "
    "averaged over the phenotypes of a group, for the others.\n\n"
)
METRICS = {
    "target": "target",
    "metric": "metric",
    "mean": "mean",
    "low": "low",
    "high": "high",
    "n": "subjects",
    "n_positive": "with the disease",
}
CALIBRATION = {"target": "target", "prevalence": "prevalence", "auprc": "AUPRC", "brier": "Brier", "slope": "slope"}
CALIBRATION |= {"intercept": "intercept"}
ANALYSES = {
    "target": "target",
    "analysis": "analysis",
    "group": "group",
    **{k: v for k, v in METRICS.items() if k != "target"},
}


def of_release(table: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of an evaluation's table that are about the released fits, in the order of the targets."""
    targets = list(config["targets"])
    rows = table[(table["fit"] == "finetune") & (table["encoder"] == config["encoder"]) & table["target"].isin(targets)]
    rows = rows[rows["fraction"].astype(int) == 100]
    return rows.sort_values("target", key=lambda names: names.map(targets.index), kind="stable")


def markdown(table: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """Return columns of a table under other names as Markdown; numbers with three decimals."""
    if table.empty:
        return "(none)"
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in table[list(columns)].itertuples(index=False):
        cells = [shown(value, name in COUNTS) for name, value in zip(columns, row, strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(value: object, counted: bool) -> str:
    """Return a cell's text; `counted` are whole numbers."""
    if isinstance(value, float):
        if pd.isna(value):
            return "–"
        return f"{value:.0f}" if counted else f"{value:.3f}"
    return str(value)


def usage(config: Mapping[str, Any]) -> str:
    """Return how to run it."""
    cleaning = config["clean_ecg"]
    seconds = cleaning["samples"] / cleaning["sampling_rate_hz"]
    risks = [target for target, about in config["targets"].items() if "calibration" in about]
    elsewhere = f"cmr2ecg predict my_ecg.xml --model {config['name']} --out elsewhere --prevalence {risks[0]}=0.05\n"
    return (
        f"```\ncmr2ecg predict my_ecg.xml --model {config['name']} --out predictions\n{elsewhere if risks else ''}"
        f"cmr2ecg embed my_ecg.xml --model {config['name']} --out embeddings.parquet\n```\n\n"
        f"A record needs 12 leads and {seconds:g} s; it is resampled to {cleaning['sampling_rate_hz']} Hz and cleaned "
        "as the training's were (`clean_ecg` in config.json). `model.onnx` and `embedding.onnx` take ECGs cleaned so."
    )


def contents(config: Mapping[str, Any]) -> str:
    """Return the list of targets and networks."""
    sizes = config["models"]["ecg_encoder"]
    lines = [
        f"Encoder `{config['encoder']}`, a vision transformer of {sizes['depth']} blocks, width {sizes['dim']}, over "
        f"{sizes['samples']} samples in pieces of {sizes['patch']}; {config['parameters']:,} weights a network.",
        "",
        *(
            f"- {named(target, about)}: {counted(len(about['outputs']), 'output')}, "
            f"{counted(len(about['seeds']), 'network')} (seeds), trained on {about['n_train']} subjects"
            for target, about in config["targets"].items()
        ),
        *(f"- {named(target, {})}: not in this release: {reason}" for target, reason in config["skipped"].items()),
    ]
    return "\n".join(lines)


def named(target: str, about: Mapping[str, Any]) -> str:
    """Return a target as the results name it, what it is, and by which codes a disease was told."""
    codes = about.get("codes", [])
    return f"`{target}`, {DISEASES[target]}" + (f" (ICD-10 {', '.join(codes)})" if codes else "")


def counted(number: int, word: str) -> str:
    """Return "1 output" or "6 outputs"."""
    return f"{number} {word}" + "s" * (number != 1)


def calibration_text(config: Mapping[str, Any]) -> str:
    """Return how risks and intervals come about, with their numbers."""
    lines = []
    for target, about in config["targets"].items():
        if "calibration" in about:
            c = about["calibration"]
            lines.append(
                f"- {target}: stated prevalence {c['prevalence']:.4f}; slope {c['slope']:.3f} and intercept "
                f"{c['intercept']:.3f} from {c['n_val']} validation subjects, {c['n_val_positive']} with the disease"
            )
        else:
            first = next(iter(about["intervals"].values()))
            lines.append(
                f"- {target}: intervals at {first['coverage']:.0%} from {first['n_val']} or so validation subjects"
            )
    return "\n".join(lines) + "\n\n" + METHOD


METHOD = """\
A network's probability is freed of the label smoothing of its training, put from the balanced training set's prevalence
to the train split's (Bayes' rule), averaged over the seeds, and recalibrated by a logistic regression on the validation
split, its slope drawn to 1. An interval is the seed mean plus and minus a quantile of the validation errors (split
conformal). The same validation split stopped the trainings, so both are a little optimistic; the test split took no
part."""


def origin(config: Mapping[str, Any]) -> str:
    """Return commit, code and versions, and how to check the files."""
    source = config["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in source["packages"].items())
    return (
        f"Commit `{source['commit']}`, code digest `{source['code'][:16]}`; {versions}; Python {source['python']}.\n"
        "`sha256sum -c SHA256SUMS` checks the files, and so does `predict` each time."
    )


HUB_METRICS = {"auroc": ("roc_auc", "AUROC"), "r": ("pearsonr", "Pearson's r, mean over the group's phenotypes")}
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
    results = [_result(config["cohort"], *row) for row in rows if row[1] in HUB_METRICS and not pd.isna(row[2])]
    block = licence | {
        "library_name": "cmr2ecg",
        "tags": TAGS + ["synthetic-data"] * config["synthetic"],
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

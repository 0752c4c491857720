"""The first page of the report, in the paper's order: who was studied, what was run, the headline, its limits."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pandas as pd

from cmr2ecg.report.tables.formats import Part, Table, summary
from cmr2ecg.report.tables.headline import RULE, compared, name_of, wide, with_interval
from cmr2ecg.report.tables.headline_words import sentences
from cmr2ecg.report.tables.names import MODELS
from cmr2ecg.report.tables.sheet import DAGGER

SHOWN = {
    "ECG encoder (ViT): width, blocks, samples a patch": [
        f"models.ecg_encoder.{name}" for name in ("dim", "depth", "patch")
    ],
    "Image encoder: network, pixels": ["models.cmr_encoder.name", "models.cmr_encoder.image_size"],
    "MAE: epochs, batch size, mask ratio": [f"pretrain.mae.{name}" for name in ("epochs", "batch_size", "mask_ratio")],
    "MMCL: epochs, batch size": ["pretrain.mmcl.epochs", "pretrain.mmcl.batch_size"],
    "Fine-tuning: most epochs, batch size": ["finetune.epochs", "finetune.batch_size"],
    "Fine-tuning: seeds": ["finetune.seeds"],
    "Percent of the labels: of diseases, of phenotypes": [
        f"balance_subset.{name}" for name in ("fractions", "phenotype_fractions")
    ],
}
SPLITS = {"train": "for training", "val": "for validation", "test": "for testing"}
Given = Mapping[str, Any]


def summary_page(
    settings: Given, paper: Given, flow: pd.DataFrame, split: pd.Series, untrained: pd.DataFrame, data: pd.DataFrame
) -> str:
    """Return the page as a fragment of HTML.

    Args:
        settings, paper: of the whole run, and the paper's.
        flow: flow.csv of assemble_dataset: step, reason, n_in, n_out.
        split: of each subject.
        untrained: untrained.csv of evaluate.
        data: the csv of the table `headline`; empty if that was not made.
    """
    several = "recordings" if settings["recordings"]["subject"] else "subjects"
    limits = _limits(settings, split, untrained, several)
    parts = [_who(flow, split, several), _what(settings, paper), _headline(data), limits]
    return summary(f"Summary of the run: {settings['cohort']}", [part for part in parts if part.items or part.tables])


def _who(flow: pd.DataFrame, split: pd.Series, several: str) -> Part:
    first, start, end = flow["reason"].iloc[0], int(flow["n_in"].iloc[0]), int(flow["n_out"].iloc[-1])
    sizes = ", ".join(f"{(split == name).sum():,} {words}" for name, words in SPLITS.items())
    rows = flow.itertuples(index=False)
    lost = [f"{reason}: {n_in - n_out:,}" for _, reason, n_in, n_out in rows if n_in > n_out]
    in_recordings = f", in {several}" * (several != "subjects")
    items = [
        f"{start:,} {several} {first}; {start - end:,} were excluded, {end:,} are in the study.",
        f"Excluded, in this order: {'; '.join(lost) or 'none'}.",
        f"Split by subject{in_recordings}: {sizes}.",
    ]
    return Part("Who was studied", items)


def _what(settings: Given, paper: Given) -> Part:
    """Return the models, and a few settings beside the paper's."""
    rows = [[name, _values(settings, keys), _values(paper, keys)] for name, keys in SHOWN.items()]
    tuned, probed = (", ".join(MODELS[name] for name in settings[step]["encoders"]) for step in ("finetune", "probe"))
    items = [f"Fine-tuned: {tuned or 'none'}.", f"Linear probes: {probed or 'none'}."]
    caption = "Some of the settings; all are in the last part of this report."
    return Part("What was run", items, [Table("", caption, ["Setting", "Here", "Paper"], rows)])


def _headline(data: pd.DataFrame) -> Part:
    if data.empty:
        return Part("Headline")
    head, rows = wide(data, with_interval)
    caption = (
        "ROC AUC in percent or mean r on the test split with 95 % intervals, and paired differences of "
        f"{name_of(compared(data))} (percentage points or r). {RULE} {DAGGER}: not trained."
    )
    return Part("Headline", sentences(data), [Table("", caption, head, rows, left=2)])


def _limits(settings: Given, split: pd.Series, untrained: pd.DataFrame, several: str) -> Part:
    """Return what a reader of the headline has to know."""
    synthetic, tested = settings["simulate_cohort"]["enabled"], (split == "test").sum()
    items = ["The cohort is synthetic: its numbers say nothing about patients."] * synthetic
    items.append(f"{tested:,} test {several}; intervals are not corrected for the number of comparisons.")
    items += [_seeds(settings), _tuning(settings)]
    marked = "1 model is" if len(untrained) == 1 else f"{len(untrained) or 'No'} models are"
    listed = ", listed in the last part of this report" * bool(len(untrained))
    return Part("Limits", [*items, f"{marked} marked as not trained{listed}."])


def _seeds(settings: Given) -> str:
    runs, pretrainings = len(settings["finetune"]["seeds"]), len(settings["pretrain"]["seeds"])
    tuned = f"Each fine-tuning has {_plural(runs, 'run')} (the paper: 5)"
    if pretrainings > 1:
        return f"{tuned}, and each pre-training {pretrainings}."
    return f"{tuned}; each encoder was pre-trained once, and intervals do not cover another pre-training."


def _tuning(settings: Given) -> str:
    swept = [MODELS[name] for name in settings["sweep"]["encoders"]]
    swept += [MODELS["tabular"]] * bool(settings["sweep_tabular"]["targets"])
    if not swept:
        return "No model was tuned: all have the settings of the config."
    return f"Tuned on the validation split: {', '.join(swept)}; the others have the settings of the config."


def _values(settings: Given, keys: Sequence[str]) -> str:
    found = (reduce(lambda part, name: part[name], key.split("."), settings) for key in keys)
    return ", ".join(" ".join(map(str, value)) or "–" if isinstance(value, list) else str(value) for value in found)


def _plural(count: int, name: str) -> str:
    return f"{count} {name}" + "s" * (count != 1)

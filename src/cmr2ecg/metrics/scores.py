"""From one target's predictions to numbers: every model's metric, its std and interval, paired differences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.metrics.influence import auroc_influence, pearson_influence
from cmr2ecg.metrics.multireader import Readers, difference, holm, mean
from cmr2ecg.metrics.predictions import (
    AGAIN,
    STACKED,
    TABULAR,
    TABULAR_ALONE,
    WITH_TABULAR,
    Key,
    Predictions,
    fit_of,
)
from cmr2ecg.metrics.seeds import std_over_seeds
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.claims import claims
from cmr2ecg.study.encoders import FROM_SCRATCH, PRETRAINED_ECG
from cmr2ecg.study.targets import is_regression

REFERENCES = ("mmcl", "mae")  # the first of these that was fitted is what every other model is compared with
REFERENCE = REFERENCES[0]
MEAN_OUTPUT = "mean"  # the name of a group's mean over its phenotypes or diseases
MODEL_COLUMNS = ["fit", "encoder", "target", "fraction"]
SUMMARY_COLUMNS = ["metric", "mean", "std", "low", "high", "n_seeds", "n_readers", "n", "n_positive"]
METRIC_COLUMNS = [*MODEL_COLUMNS, "output", "seed", "split", "metric", "value", "n", "n_positive"]


@dataclass(frozen=True)
class Scored:
    """One model on one split: its outputs, one for a disease, one a phenotype or disease for a group of them.

    blocks: of each run (a seed), runs that share a pre-training being of one block; empty if each run is its own.
    people: (n,) whose recording each is, where a person may have several; None if each is a person. Intervals are then
        over people: the influences of one person's recordings are added up.
    """

    outputs: Sequence[Predictions]
    blocks: Mapping[int, int] = field(default_factory=dict)
    people: NDArray[np.int64] | None = None

    @property
    def first(self) -> Predictions:
        """An output that stands for all where they agree: model, split, seeds, subjects."""
        return self.outputs[0]

    @property
    def is_group(self) -> bool:
        """Say whether it is of a group of phenotypes, or of several diseases."""
        return self.metric == "r" or len(self.outputs) > 1

    @property
    def metric(self) -> str:
        """The paper's metric of the target (§IV-D.2): auroc, or Pearson's r averaged over the phenotypes."""
        return "r" if is_regression(self.first.target) else "auroc"

    @cached_property
    def measured(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The metric (outputs, seeds), and each subject's influence (seeds, n) on its mean over outputs."""
        influence = pearson_influence if self.metric == "r" else auroc_influence
        values, total = [], np.zeros(self.first.scores.shape)
        for entry in self.outputs:
            value, each = influence(entry.y_true, entry.scores)
            values.append(value)
            total += each
        return np.array(values), total / len(self.outputs)

    @property
    def by_output(self) -> NDArray[np.float64]:
        """The metric (outputs, seeds)."""
        return self.measured[0]

    @property
    def by_seed(self) -> NDArray[np.float64]:
        """The metric (seeds,), for phenotypes the mean over them; NaN if it is undefined for one."""
        return self.by_output.mean(axis=0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which subjects (n,) have any label."""
        return np.any([~np.isnan(entry.y_true) for entry in self.outputs], axis=0)

    @cached_property
    def readers(self) -> Readers:
        """The model in the multi-reader analysis: each run a reader, or each block where there are several."""
        seeds: list[int] = self.first.seeds.tolist()
        runs = Readers(seeds, self.by_seed, self._by_person(self.measured[1]))
        if self.blocks and (unknown := set(seeds) - set(self.blocks)):
            raise InputError(f"{self.first.path}: seed {min(unknown)} is no run of the result.json beside it; {AGAIN}")
        return runs.grouped([self.blocks[seed] for seed in seeds]) if self.blocks else runs

    def _by_person(self, influence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the influences (seeds, people) of the influences (seeds, n) of recordings.

        For AUROC that is the analysis of clustered data by Obuchowski, Biometrics 53 (1997) 567-578, for many people.
        """
        if self.people is None or not influence.shape[-1]:
            return influence
        order = np.argsort(self.people, kind="stable")
        _, starts = np.unique(self.people[order], return_index=True)
        return np.add.reduceat(influence[:, order], starts, axis=1)

    def of(self, subjects: NDArray[np.bool_]) -> "Scored":
        """Return the same model on some of its subjects."""
        people = None if self.people is None else self.people[subjects]
        return replace(self, outputs=[_subset(entry, subjects) for entry in self.outputs], people=people)

    def summary(self) -> dict[str, object]:
        """Return SUMMARY_COLUMNS: mean over readers, std over runs (ddof=1, NaN for one), the 95 % interval, counts."""
        estimate, values = mean(self.readers), self.by_seed
        low, high = estimate.interval(self.metric)
        std = float(std_over_seeds(values))
        found = {"metric": self.metric, "mean": estimate.value, "std": std, "low": low, "high": high}
        return {**found, "n_seeds": len(values), "n_readers": len(self.readers.values), **self.counted()}

    def counted(self) -> dict[str, int | None]:
        """Return n, subjects with a label, and n_positive, those with the disease (None for groups)."""
        positive = None if self.is_group else int(self.first.y_true.sum())
        return {"n": int(self.known.sum()), "n_positive": positive}


def group_outputs(
    predictions: Iterable[Predictions],
    split: str,
    blocks: Mapping[tuple, Mapping[int, int]] | None = None,
    people: Mapping[int, int] | None = None,
) -> list[Scored]:
    """Return one Scored a model of one split, in the order in which the models come.

    blocks: {model: {seed: block}}. people: {eid: whose recording it is}, where a person may have several.
    """
    models: dict[tuple, list[Predictions]] = {}
    for entry in predictions:
        if entry.split == split:
            models.setdefault(entry.model, []).append(entry)
    whose = {
        model: np.array([people[eid] for eid in outputs[0].eid.tolist()], np.int64) if people else None
        for model, outputs in models.items()
    }
    return [Scored(outputs, (blocks or {}).get(model, {}), whose[model]) for model, outputs in models.items()]


def seed_metrics(models: Iterable[Scored]) -> pd.DataFrame:
    """Return METRIC_COLUMNS: a row a model, seed and output, and for groups one more for their mean.

    NaN where only one class is there, or a prediction or phenotype is constant.
    """
    rows = []
    for model in models:
        for entry, values in zip(model.outputs, model.by_output, strict=True):
            rows += _metric_rows(Scored([entry]), entry.output, values)
        if model.is_group:
            rows += _metric_rows(model, MEAN_OUTPUT, model.by_seed)
    return pd.DataFrame(rows, columns=METRIC_COLUMNS).astype({"n_positive": "Int64"})


def interval_row(model: Scored, n_train: int | None) -> dict[str, object]:
    """Return the row of one model in intervals.csv: what it is, Scored.summary, and how many subjects it trained on."""
    named = dict(zip(MODEL_COLUMNS, model.first.model, strict=True))
    return {**named, "split": model.first.split, **model.summary(), "n_train": n_train}


COMPARISON_COLUMNS = [
    *("target", "fraction", "fit", "encoder", "other_fit", "other_encoder", "metric", "family", "difference"),
    *("low", "high", "standard_error", "df", "p_value", "p_delong", "margin"),
]


def comparison_table(models: Mapping[tuple, Scored], margins: Mapping[str, float]) -> pd.DataFrame:
    """Return the paired differences of one target: every model against MMCL, the pairs of the paper's claims, controls.

    Without MMCL, as in a cohort of ECGs alone, the MAE takes its place. Differences are first - second. Holm's
    correction goes over the comparisons with it of one kind of fit and one
    fraction, and over those of the stacked models with the tabular side alone; other pairs have no corrected p.
    p_delong is for diseases only, and about the trained models at hand.

    Args:
        models: by (fit, encoder, target, fraction).
        margins: of non-inferiority, by metric.
    """
    rows = []
    for first, second, family in _pairs(list(models)):
        a, b = models[first], models[second]
        rows.append({**_named(first, second), "metric": a.metric, "family": family, **_tests(a, b)})
        rows[-1]["margin"] = margins[a.metric]
    table = pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
    for name in ("p_value", "p_delong"):
        table[f"{name}_holm"] = np.nan
        for _, members in table[table["family"] != ""].groupby("family"):
            table.loc[members.index, f"{name}_holm"] = holm(members[name].to_numpy(float))
    return table


def _tests(a: Scored, b: Scored) -> dict[str, float]:
    estimate = difference(a.readers, b.readers)
    low, high = estimate.interval()
    delong = difference(a.readers.pooled(), b.readers.pooled()).p_value() if a.metric == "auroc" else float("nan")
    return {
        "difference": estimate.value,
        "low": low,
        "high": high,
        "standard_error": estimate.standard_error,
        "df": estimate.df,
        "p_value": estimate.p_value(),
        "p_delong": delong,
    }


def _pairs(models: Sequence[tuple]) -> list[tuple[tuple, tuple, str]]:
    """Return (first, second, family): the reference with every model of its kind and fraction, then other pairs."""
    pairs, stacks = [], [model for model in models if model[0] == STACKED]
    models = [model for model in models if model[0] != STACKED]
    for model in models:
        fit, _, target, fraction = model
        kind = "probe" if fit == "probe" else "finetune"
        there = [(kind, name, target, fraction) for name in REFERENCES]
        reference = next((one for one in there if one in models), there[0])
        if model != reference and reference in models:
            pairs.append((reference, model, f"{kind}/{fraction}"))
    listed = {pair[:2] for pair in pairs}
    claimed = [
        tuple(_fine_tuned(name, claim.target, claim.fraction) for name in (claim.better, claim.worse))
        for claim in claims()
    ]
    for first, second in dict.fromkeys([*claimed, *_controls(models)]):
        if first in models and second in models and (first, second) not in listed:
            pairs.append((first, second, ""))
    return pairs + [pair for pair in _added(stacks) if pair[1] in models or pair[1] in stacks]


def _added(stacks: Sequence[tuple]) -> Iterator[tuple[tuple, tuple, str]]:
    """Yield each ECG stacked with the tabular side, and what it is set against: that side, the trees, the ECG."""
    for key in stacks:
        _, encoder, *where = key
        if encoder != TABULAR_ALONE:
            yield key, (STACKED, TABULAR_ALONE, *where), f"{STACKED}/{where[1]}"
            yield key, _fine_tuned(TABULAR, *where), ""
            yield key, _fine_tuned(encoder.removesuffix(WITH_TABULAR), *where), ""


def _controls(models: Sequence[tuple]) -> list[tuple[tuple, tuple]]:
    """Return the pairs beyond the paper's: what each ECG pre-training gains; each ablation against the MAE alone."""
    pairs = []
    for fit, encoder, *where in models:
        if (fit, encoder) == ("probe", "mae"):
            pairs.append(((fit, encoder, *where), (fit, "random", *where)))
        elif encoder.startswith(f"{REFERENCE}_"):
            pairs.append(((fit, encoder, *where), (fit, "mae", *where)))
        elif encoder.startswith("mae_"):  # of an ablation, and what MMCL gains from it
            pairs.append(((fit, encoder, *where), (fit, "mae", *where)))
            pairs.append(((fit, encoder.replace("mae", REFERENCE, 1), *where), (fit, encoder, *where)))
        if encoder in PRETRAINED_ECG:
            pairs += [((fit, encoder, *where), ("finetune", name, *where)) for name in FROM_SCRATCH]
    return pairs


def _fine_tuned(encoder: str, target: str, fraction: int) -> Key:
    return fit_of(encoder), encoder, target, fraction


def _named(first: tuple, second: tuple) -> dict[str, object]:
    keys = ("fit", "encoder", "target", "fraction", "other_fit", "other_encoder")
    return dict(zip(keys, (*first, *second[:2]), strict=True))


def _metric_rows(model: Scored, output: str, values: NDArray) -> list[dict[str, object]]:
    described = dict(zip(MODEL_COLUMNS, model.first.model, strict=True)) | {"output": output}
    described |= {"split": model.first.split, "metric": model.metric, **model.counted()}
    return [
        {**described, "seed": int(seed), "value": value} for seed, value in zip(model.first.seeds, values, strict=True)
    ]


def _subset(entry: Predictions, subjects: NDArray[np.bool_]) -> Predictions:
    parts = {"eid": entry.eid[subjects], "y_true": entry.y_true[subjects], "scores": entry.scores[:, subjects]}
    return Predictions(**{**vars(entry), **parts})

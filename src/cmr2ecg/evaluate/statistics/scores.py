"""From one target's predictions to numbers: every model's metric, its spread and interval, paired differences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.evaluate.statistics.auroc import auroc
from cmr2ecg.evaluate.statistics.bootstrap import Difference, compare, holm, interval, over_seeds, resampled_auroc
from cmr2ecg.evaluate.statistics.delong import Comparison, delong_test
from cmr2ecg.evaluate.statistics.pearson import pearson, resampled_pearson
from cmr2ecg.evaluate.statistics.predictions import Predictions, fit_of, is_regression
from cmr2ecg.evaluate.tables.claims import claims

REFERENCE = "mmcl"  # every other model is compared with this one
MEAN_OUTPUT = "mean"  # the name of a phenotype group's mean over its phenotypes
MODEL_COLUMNS = ["fit", "encoder", "target", "fraction"]
METRIC_COLUMNS = [*MODEL_COLUMNS, "output", "seed", "split", "metric", "value", "n", "n_positive"]


@dataclass(frozen=True)
class Scored:
    """One model on one split: its outputs, one for a disease, one a phenotype for a group of them."""

    outputs: Sequence[Predictions]

    @property
    def first(self) -> Predictions:
        """An output that stands for all where they agree: model, split, seeds, subjects."""
        return self.outputs[0]

    @property
    def metric(self) -> str:
        """The paper's metric of the target (§IV-D.2): auroc, or Pearson's r averaged over the phenotypes."""
        return "r" if is_regression(self.first.target) else "auroc"

    @cached_property
    def by_output(self) -> NDArray[np.float64]:
        """The metric (outputs, seeds)."""
        measure = pearson if self.metric == "r" else auroc
        return np.array([[measure(entry.y_true, score) for score in entry.scores] for entry in self.outputs])

    @property
    def by_seed(self) -> NDArray[np.float64]:
        """The metric (seeds,), for phenotypes the mean over them; NaN if it is undefined for one."""
        return self.by_output.mean(axis=0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which subjects (n,) have any label."""
        return ~np.isnan([entry.y_true for entry in self.outputs]).all(axis=0)

    def draws(self, counts: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
        """Return the metric (draws,) of resampled subjects and seeds; counts (draws, n)."""
        measure = resampled_pearson if self.metric == "r" else resampled_auroc
        total = sum(measure(entry.y_true, entry.scores, counts) for entry in self.outputs)
        return over_seeds(total / len(self.outputs), seed)

    def of(self, subjects: NDArray[np.bool_]) -> "Scored":
        """Return the same model on some of its subjects."""
        return Scored([_subset(entry, subjects) for entry in self.outputs])

    def counted(self) -> dict[str, int | None]:
        """Return n, subjects with a label, and n_positive, those with the disease (None for phenotypes)."""
        positive = None if self.metric == "r" else int(self.first.y_true.sum())
        return {"n": int(self.known.sum()), "n_positive": positive}


def group_outputs(predictions: Iterable[Predictions], split: str) -> list[Scored]:
    """Return one Scored a model of one split, in the order in which the models come."""
    models: dict[tuple, list[Predictions]] = {}
    for entry in predictions:
        if entry.split == split:
            models.setdefault(entry.model, []).append(entry)
    return [Scored(outputs) for outputs in models.values()]


def seed_metrics(models: Iterable[Scored]) -> pd.DataFrame:
    """Return METRIC_COLUMNS: a row a model, seed and output, and for phenotypes one more for their mean.

    NaN where only one class is there, or a prediction or phenotype is constant.
    """
    rows = []
    for model in models:
        for entry, values in zip(model.outputs, model.by_output, strict=True):
            rows += _metric_rows(Scored([entry]), entry.output, values)
        if model.metric == "r":
            rows += _metric_rows(model, MEAN_OUTPUT, model.by_seed)
    return pd.DataFrame(rows, columns=METRIC_COLUMNS).astype({"n_positive": "Int64"})


def interval_row(model: Scored, draws: NDArray, n_train: int | None) -> dict[str, object]:
    """Return mean, std over seeds (ddof=1, NaN for one seed) and the 95 % interval (low, high) of one model."""
    values = model.by_seed
    low, high = interval(draws)
    return {
        **dict(zip(MODEL_COLUMNS, model.first.model, strict=True)),
        "split": model.first.split,
        "metric": model.metric,
        "mean": values.mean(),
        "std": values.std(ddof=1) if len(values) > 1 else float("nan"),
        "low": low,
        "high": high,
        "n_seeds": len(values),
        **model.counted(),
        "n_train": n_train,
    }


def comparison_table(models: Mapping[tuple, Scored], draws: Mapping[tuple, NDArray]) -> pd.DataFrame:
    """Return the paired differences of one target: every model against MMCL, the pairs of the paper's claims, controls.

    Differences are first - second. Holm's correction goes over the comparisons with MMCL of one kind of fit and one
    fraction; other pairs have no corrected p. p_delong is for diseases only.

    Args:
        models, draws: by (fit, encoder, target, fraction).
    """
    rows = []
    for first, second, family in _pairs(list(models)):
        a, b = models[first], models[second]
        resampled = compare(a.by_seed.mean(), b.by_seed.mean(), draws[first], draws[second])
        rows.append({**_named(first, second), "metric": a.metric, "family": family, **_tests(a, b, resampled)})
    table = pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
    for name in ("p_bootstrap", "p_delong"):
        table[f"{name}_holm"] = np.nan
        for _, members in table[table["family"] != ""].groupby("family"):
            table.loc[members.index, f"{name}_holm"] = holm(members[name].to_numpy(float))
    return table


COMPARISON_COLUMNS = [
    *("target", "fraction", "fit", "encoder", "other_fit", "other_encoder", "metric", "family", "difference"),
    *("low", "high", "p_bootstrap", "standard_error", "p_delong"),
]


def _tests(a: Scored, b: Scored, resampled: Difference) -> dict[str, float]:
    delong = Comparison(float("nan"), float("nan"), float("nan"))
    if a.metric == "auroc":
        delong = delong_test(a.first.y_true, a.first.scores, b.first.scores)
    return {
        "difference": resampled.difference,
        "low": resampled.low,
        "high": resampled.high,
        "p_bootstrap": resampled.p_value,
        "standard_error": delong.standard_error,
        "p_delong": delong.p_value,
    }


def _pairs(models: Sequence[tuple]) -> list[tuple[tuple, tuple, str]]:
    """Return (first, second, family): MMCL with every model of its kind and fraction, then the claims' pairs."""
    pairs = []
    for model in models:
        fit, _, target, fraction = model
        kind = "probe" if fit == "probe" else "finetune"
        reference = (kind, REFERENCE, target, fraction)
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
    return pairs


def _controls(models: Sequence[tuple]) -> list[tuple[tuple, tuple]]:
    """Return the pairs beyond the paper's: the steps from nothing to MMCL, and each ablation against the MAE alone."""
    pairs = []
    for fit, encoder, *where in models:
        if encoder == "mae":
            pairs.append(((fit, encoder, *where), (fit, "random" if fit == "probe" else "supervised", *where)))
        elif encoder.startswith(f"{REFERENCE}_"):
            pairs.append(((fit, encoder, *where), (fit, "mae", *where)))
        elif (fit, encoder) == ("probe", REFERENCE):
            pairs.append(((fit, encoder, *where), ("finetune", "supervised", *where)))
    return pairs


def _fine_tuned(encoder: str, target: str, fraction: int) -> tuple[str, str, str, int]:
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

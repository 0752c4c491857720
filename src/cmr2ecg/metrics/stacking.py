"""What an ECG adds to age, sex, weight and height: late fusion by a regression fitted on the validation split.

The tabular side has the four covariates and, where it was run, the output of the tabular model (trees) of the same
target, training set and run; so what trees see beyond straight lines counts as tabular, and both sides have seen the
training split and the validation split. A second regression has the ECG model's output as one column more. Diseases:
logistic regression on log odds; phenotypes: linear regression. Both have a weak ridge penalty, for splits of a few
cases, where coefficients would be infinite. No test label is looked at; the models are scored as any other.

The ECG's outputs are a little better on validation subjects than on new ones, because its best epoch was chosen there;
so are a tuned tabular model's. That distorts the weights of the regression, and can cost the stacked model on the test
split, but makes no test score too high.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from cmr2ecg.loading.labels import rows_for
from cmr2ecg.metrics.analyses import COVARIATES
from cmr2ecg.metrics.predictions import STACKED, TABULAR, TABULAR_ALONE, WITH_TABULAR, Key, Predictions
from cmr2ecg.metrics.prior import log_odds
from cmr2ecg.metrics.scores import Scored
from cmr2ecg.study.encoders import network_of

PENALTY = 1.0  # of squared coefficients of standardised columns: a normal prior of log odds with std 1
MIN_SUBJECTS = 10  # validation subjects with a phenotype
ONE_FIT = np.zeros(1, np.int64)  # the seed of a regression on covariates alone, which has no runs


@dataclass(frozen=True)
class Held:
    """One model on the two splits that it was not trained on."""

    val: Scored
    test: Scored

    def outputs(self) -> Iterator[tuple[Predictions, Predictions]]:
        """Yield each output on validation and test."""
        of_test = {entry.output: entry for entry in self.test.outputs}
        yield from ((entry, of_test[entry.output]) for entry in self.val.outputs)

    def column(self, output: str, seed: int) -> tuple[NDArray, NDArray] | None:
        """Return an output's log odds, or phenotype, of one run on validation (m,) and test (n,).

        The mean over runs if no run has this seed; None if the model does not have the output.
        """
        for val, test in self.outputs():
            if val.output == output:
                scale = np.asarray if self.test.metric == "r" else log_odds
                runs = val.seeds == seed if seed in val.seeds else np.full(len(val.seeds), True)
                return tuple(scale(entry.scores[runs]).mean(axis=0) for entry in (val, test))
        return None


@dataclass(frozen=True)
class Stack:
    """A regression to fit: whose labels it learns, whose outputs are columns beside the covariates, whose runs it has.

    `runs` is None for covariates alone, where one fit is all there is.
    """

    key: Key
    labels: Held
    columns: Sequence[Held]
    runs: Held | None


def stacked_models(
    val: Sequence[Scored], test: Sequence[Scored], covariates: Path
) -> tuple[list[Scored], list[tuple[str, str, str, int, str]]]:
    """Return the tabular side alone and with each fine-tuned ECG encoder on the test split, and what could not be made.

    Args:
        val, test: all models of one target, on the same subjects; only those that are on both are stacked.
        covariates: covariates.parquet, with COVARIATES.

    Returns:
        Models (STACKED, encoder + WITH_TABULAR, target, fraction) with the runs of the ECG encoder and (STACKED,
        TABULAR_ALONE, target, fraction) with those of the tabular model; and keys with a reason.
    """
    of_val = {model.first.model: model for model in val}
    held = {model.first.model: Held(of_val[model.first.model], model) for model in test if model.first.model in of_val}
    models: list[Scored] = []
    skipped: list[tuple[str, str, str, int, str]] = []
    if not held:
        return models, skipped
    first = next(iter(held.values()))
    known = [rows_for(covariates, each.first.eid)[list(COVARIATES)].to_numpy(float) for each in (first.val, first.test)]
    for stack in _stacks(held):
        reason = unusable(stack.labels.val, known[0])
        if reason:
            skipped.append((*stack.key, reason))
        else:
            models.append(_fit(stack, *known))
    return models, skipped


def _stacks(held: Mapping[Key, Held]) -> Iterator[Stack]:
    """Yield the tabular side alone and each ECG encoder with it, for every training set of the target."""
    ecgs = [key for key in held if key[0] == "finetune" and network_of(key[1]) != "cmr_encoder"]
    for where in dict.fromkeys(key[2:] for key in ecgs):
        here = [key for key in ecgs if key[2:] == where]
        trees = held.get(("train_tabular", TABULAR, *where))
        tabular = [trees] if trees else []
        yield Stack((STACKED, TABULAR_ALONE, *where), held[here[0]], tabular, trees)
        for key in here:
            yield Stack((STACKED, key[1] + WITH_TABULAR, *where), held[key], [*tabular, held[key]], held[key])


def unusable(val: Scored, covariates: NDArray) -> str:
    """Return why no regression can be fitted on the validation split, or "" if it can; covariates (m, k)."""
    if np.isnan(covariates).all():
        return "no validation subject has age, sex, weight or height"
    for entry in val.outputs:
        there = entry.y_true[~np.isnan(entry.y_true)]
        if val.metric == "r" and len(there) < MIN_SUBJECTS:
            return f"{len(there)} validation subjects have {entry.output}, fewer than {MIN_SUBJECTS}"
        if len(np.unique(there)) < 2:
            return f"the same value of {entry.output} for all {len(there)} validation subjects"
    return ""


def _fit(stack: Stack, val: NDArray, test: NDArray) -> Scored:
    """Return a stack on the test split; val (m, k), test (n, k): covariates."""
    seeds = stack.runs.test.first.seeds if stack.runs else ONE_FIT
    outputs = []
    for of_val, of_test in stack.labels.outputs():
        scores = np.empty((len(seeds), len(of_test.eid)))
        for row, seed in zip(scores, seeds, strict=True):
            columns = [found for model in stack.columns if (found := model.column(of_val.output, seed))]
            on_val = np.column_stack([val, *(each for each, _ in columns)])
            on_test = np.column_stack([test, *(each for _, each in columns)])
            row[:] = fit_predict(on_val, on_test, of_val.y_true, regression=stack.labels.val.metric == "r")
        fit, encoder, *_ = stack.key
        outputs.append(replace(of_test, fit=fit, encoder=encoder, seeds=seeds, scores=scores))
    return Scored(outputs, stack.runs.test.blocks if stack.runs else {}, stack.labels.test.people)


def fit_predict(val: NDArray, test: NDArray, y_val: NDArray, *, regression: bool) -> NDArray[np.float64]:
    """Return what a regression of y_val (m,) on columns val (m, k) says of test (n, k): risks, or values (n,).

    Subjects without y_val are left out of the fit. NaN in a column is its median, and an indicator marks it.
    """
    there = ~np.isnan(y_val)
    a, b = standardised(val[there], test)
    if regression:
        return Ridge(alpha=PENALTY).fit(a, y_val[there]).predict(b)
    model = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-8)
    return model.fit(a, y_val[there]).predict_proba(b)[:, 1]


def standardised(val: NDArray, test: NDArray) -> tuple[NDArray, NDArray]:
    """Return columns (m, k) and (n, k) with indicators of NaN, less those that are constant in val, by val's numbers.

    What is missing takes the median of val. A column that nobody of val has, or who lacks it, says nothing.
    """
    absent = [np.isnan(columns) for columns in (val, test)]
    some = ~absent[0].all(axis=0)
    medians = np.zeros(val.shape[1])
    medians[some] = np.nanmedian(val[:, some], axis=0)
    a, b = (
        np.column_stack([np.where(gone, medians, columns), gone])
        for gone, columns in zip(absent, (val, test), strict=True)
    )
    centre, std = a.mean(axis=0), a.std(axis=0)
    varies = std > 1e-9 * np.abs(a).max(axis=0, initial=0)
    return tuple((each[:, varies] - centre[varies]) / std[varies] for each in (a, b))

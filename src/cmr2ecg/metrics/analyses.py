"""Where a model is good: by sex and age, beyond age, sex and body size, and for disease before or after the visit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from cmr2ecg.metrics.influence import residuals
from cmr2ecg.metrics.scores import MODEL_COLUMNS, SUMMARY_COLUMNS, Scored

ANALYSIS_COLUMNS = [*MODEL_COLUMNS, "analysis", "group", *SUMMARY_COLUMNS]
COVARIATES = ("age", "sex", "weight", "height")
SEX = {0.0: "female", 1.0: "male"}  # UK Biobank coding 9


def analyse(
    model: Scored, covariates: pd.DataFrame, dates: pd.DataFrame, *, age_bands: Sequence[float]
) -> list[dict[str, object]]:
    """Return rows of ANALYSIS_COLUMNS for one model on the test split.

    Args:
        model: n subjects.
        covariates: n rows with COVARIATES, in the order of the model's subjects.
        dates: n rows with visit_date and <disease>_date, in the same order.
        age_bands: inner borders of the age groups, in years.
    """
    named = dict(zip(MODEL_COLUMNS, model.first.model, strict=True))
    parts = [*_subgroups(model, covariates, age_bands), *_onset(model, dates)]
    if model.metric == "r":  # phenotypes have no onset
        parts.append(("adjusted", "for age, sex, weight, height", adjusted(model, covariates)))
    return [{**named, "analysis": analysis, "group": group, **part.summary()} for analysis, group, part in parts]


Part = tuple[str, str, Scored]


def _subgroups(model: Scored, covariates: pd.DataFrame, age_bands: Sequence[float]) -> Iterator[Part]:
    """Yield each sex and age band that is there."""
    groups = [("sex", name, covariates["sex"].to_numpy() == code) for code, name in SEX.items()]
    age = covariates["age"].to_numpy(float)
    borders = [-np.inf, *age_bands, np.inf]
    for low, high in pairwise(borders):
        groups.append(("age", band_name(low, high), (age >= low) & (age < high)))
    for analysis, name, subjects in groups:
        if subjects.any():
            yield analysis, name, model.of(subjects)


def band_name(low: float, high: float) -> str:
    """Return "below 55", "55 to 64" or "65 and above" for ages in [low, high)."""
    if np.isinf(low):
        return f"below {high:g}"
    return f"{low:g} and above" if np.isinf(high) else f"{low:g} to {high - 1:g}"


def adjusted(model: Scored, covariates: pd.DataFrame) -> Scored:
    """Return a model of phenotypes less what age, sex, weight and height explain; its r is then a partial correlation.

    Subjects with a missing covariate are left out. That the regressions are estimated adds nothing to r's influence:
    what they leave is orthogonal to the covariates.
    """
    values = covariates[list(COVARIATES)].to_numpy(float)
    complete = ~np.isnan(values).any(axis=1)
    outputs = []
    for entry in model.of(complete).outputs:
        known = ~np.isnan(entry.y_true)
        y_true, scores = np.full_like(entry.y_true, np.nan), np.zeros_like(entry.scores)
        if known.any():
            y_true[known] = residuals(entry.y_true[known], values[complete][known])
            scores[:, known] = residuals(entry.scores[:, known], values[complete][known])
        outputs.append(replace(entry, y_true=y_true, scores=scores))
    return replace(model, outputs=outputs)


def _onset(model: Scored, dates: pd.DataFrame) -> Iterator[Part]:
    """Yield the healthy with the cases first recorded up to the visit (prevalent), or after it (incident)."""
    column = f"{model.first.target}_date"
    if model.metric != "auroc" or column not in dates:
        return
    first, visit = (pd.to_datetime(dates[name]).to_numpy() for name in (column, "visit_date"))
    healthy = model.first.y_true == 0
    for group, cases in (("prevalent", first <= visit), ("incident", first > visit)):
        cases = cases & ~healthy
        if cases.any():
            yield "onset", group, model.of(healthy | cases)

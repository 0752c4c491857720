"""A table beyond the paper's, how numbers are printed, and the dagger of models that were not trained."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.formats import Table

DASH = "–"
WHOLE = 100  # percent of the training set
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Sheet:
    """`head` and `rows` of text, how many columns at the `left` hold words, and `data` for the csv."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame
    left: int = 1

    @property
    def caption(self) -> str:
        """The title, with the meaning of the dagger where a cell has one."""
        return self.title + LEGEND * any(DAGGER in cell for row in self.rows for cell in row)

    def table(self, name: str, cohort: str) -> Table:
        """Return what is printed."""
        return Table(name, f"{self.caption} Cohort: {cohort}.", self.head, self.rows, self.left)


def scaled(row: Mapping[Hashable, Any] | pd.Series, names: Iterable[str]) -> list[float]:
    """Return columns of a row of `evaluate` in the unit they are printed in: percent of an AUROC, r as it is."""
    scale = 100.0 if row["metric"] == "auroc" else 1.0
    return [scale * row[name] for name in names]


def interval(ends: Iterable[float], digits: int = 2, sign: str = "") -> str:
    """Return value, low and high as "0.41 [0.39, 0.43]", with the sign "+" "+0.41 [-0.02, +0.84]"; a dash for NaN."""
    value, low, high = ends
    if np.isnan(value):
        return DASH
    shown = DASH if np.isnan(low) else f"{low:{sign}.{digits}f}, {high:{sign}.{digits}f}"
    return f"{value:{sign}.{digits}f} [{shown}]"


def number(value: float, digits: int = 2, std: float = float("nan")) -> str:
    """Return "0.41", with a std "66.90±0.47", or a dash where the value is NaN."""
    if np.isnan(value):
        return DASH
    return f"{value:.{digits}f}" + ("" if np.isnan(std) else f"±{std:.{digits}f}")


def p_value(p: float) -> str:
    """Return a p-value as it is printed."""
    if np.isnan(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


DAGGER = "†"
LEGEND = f" {DAGGER}: not trained, by its training and the validation split; run.html says why."


class Daggers:
    """Which models of a study are marked: `daggers(fit, encoder, target, fraction)` is "†" or ""."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.marked = set(tables["untrained"][MODEL_COLUMNS].itertuples(index=False, name=None))

    def __call__(self, fit: str, encoder: str, target: str, fraction: int) -> str:
        """Return the dagger of one model."""
        return DAGGER if (fit, encoder, target, fraction) in self.marked else ""

"""A table to print, how its numbers are printed, and the dagger of models that were not trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmr2ecg.metrics.scores import MODEL_COLUMNS

DASH = "–"
WHOLE = 100  # percent of the training set
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Sheet:
    """A table to print: `head` and `rows` of text, how many columns at the `left` hold words, `data` for the csv."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame
    left: int = 1

    @property
    def caption(self) -> str:
        """The title, with the meaning of the dagger where a cell has one."""
        return self.title + LEGEND * any(DAGGER in cell for row in self.rows for cell in row)


def with_interval(value: float, low: float, high: float) -> str:
    """Return "+0.41 [-0.02, +0.84]", a dash where there is nothing."""
    if np.isnan(value):
        return DASH
    return f"{value:+.2f} [{DASH}]" if np.isnan(low) else f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def number(value: float, digits: int = 2) -> str:
    """Return a number as it is printed, NaN as a dash."""
    return DASH if np.isnan(value) else f"{value:.{digits}f}"


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

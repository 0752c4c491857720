"""The dagger of models that were not trained, in tables that print many numbers a line."""

from collections.abc import Mapping

import pandas as pd

from cmr2ecg.evaluate.statistics.scores import MODEL_COLUMNS

DAGGER = "†"
LEGEND = f" {DAGGER}: not trained, by its training and the validation split; run.html says why."


class Daggers:
    """Which models of a study are marked: `daggers(fit, encoder, target, fraction)` is "†" or ""."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.marked = set(tables["untrained"][MODEL_COLUMNS].itertuples(index=False, name=None))

    def __call__(self, fit: str, encoder: str, target: str, fraction: int) -> str:
        """Return the dagger of one model."""
        return DAGGER if (fit, encoder, target, fraction) in self.marked else ""

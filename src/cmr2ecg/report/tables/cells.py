"""The cells of a table: our mean and std over seeds, the paper's value beside them, marks and footnotes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.metrics.scores import MEAN_OUTPUT, METRIC_COLUMNS
from cmr2ecg.metrics.seeds import std_over_seeds
from cmr2ecg.metrics.untrained import in_short
from cmr2ecg.report.tables.paper_values import PAPER
from cmr2ecg.report.tables.table_layouts import Layout
from cmr2ecg.runtime.command import InputError

NOT_RUN = "not run"
UNDEFINED = {
    "auroc": "undefined: the test split holds one class only",
    "r": "undefined: a phenotype of the group is constant, or known for fewer than three test subjects",
}
FITS = ("finetune", "train_tabular")  # the paper's models; linear probes have a table of their own


@dataclass(frozen=True)
class Cell:
    """One model on one target, in the table's unit; NaN where there is no value. mark: "", "best" or "second".

    untrained: why the model is marked as not trained, or "". tuned_trials: 0 for the settings of the config, n for the
    best of n trials, None if unknown; tuning: a note where this differs from the rest of the table.
    """

    mean: float = float("nan")
    std: float = float("nan")
    n_seeds: int = 0
    n: int = 0
    n_positive: int = 0
    paper: tuple[float, float] | None = None
    mark: str = ""
    note: str = ""
    untrained: str = ""
    tuned_trials: int | None = None
    tuning: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """The footnotes of the cell."""
        untrained = f"not trained ({in_short(self.untrained)})" if self.untrained else ""
        return tuple(filter(None, (self.note, untrained, self.tuning)))


def make_cells(
    layout: Layout,
    metrics: pd.DataFrame,
    skipped: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
    untrained: pd.DataFrame | None = None,
) -> list[list[Cell]]:
    """Return the cells of every row and target of a table, from the test rows of metrics.csv.

    std is the sample standard deviation over seeds (ddof=1); the paper does not say which it used. Models that were
    not run, or could not be made (`skipped`, of skipped.csv), get an empty cell with a note. Models that were not
    trained (`untrained`, of untrained.csv) keep their numbers, with a note, and take no part in who is best. `models`
    (of models.csv) says whose settings were tuned.

    Raises InputError if the metrics lack a column.
    """
    absent = [name for name in METRIC_COLUMNS if name not in metrics]
    if absent:
        raise InputError(f"metrics.csv has no column {', '.join(absent)}; run the step evaluate again")
    test = metrics[
        (metrics["split"] == "test")
        & (metrics["metric"] == layout.metric)
        & (metrics["fraction"] == layout.fraction)
        & metrics["fit"].isin(FITS)
        & ((metrics["output"] == metrics["target"]) | (metrics["output"] == MEAN_OUTPUT))
    ]
    by_model = {key: rows for key, rows in test.groupby(["encoder", "target"])}
    reasons, marked = (_by_model(layout, table, "reason") for table in (skipped, untrained))
    trials = {key: int(count) for key, count in _by_model(layout, models, "tuned_trials").items()}

    def cell(encoder: str, target: str) -> Cell:
        key = encoder, target
        if key not in by_model:
            return Cell(paper=PAPER.get(encoder, {}).get(target), note=reasons.get(key, NOT_RUN))
        made = _cell(layout, encoder, target, by_model[key])
        return replace(made, untrained=marked.get(key, ""), tuned_trials=trials.get(key))

    table = [[cell(row.encoder, target) for target in layout.targets] for row in layout.rows]
    table = _note_tuning(_note_seeds(table))
    competing = [not row.reference for row in layout.rows]
    columns = [_mark(column, competing, layout.digits) for column in zip(*table, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def usual_seeds(cells: list[list[Cell]]) -> int:
    """Return the number of seeds most cells were averaged over; 0 if no model was run."""
    counts = Counter(cell.n_seeds for row in cells for cell in row if cell.n_seeds)
    return counts.most_common(1)[0][0] if counts else 0


def _by_model(layout: Layout, table: pd.DataFrame | None, column: str) -> dict[tuple[str, str], Any]:
    """Return {(encoder, target): value of a column} of a table with a row a model, where there is a value."""
    if table is None:
        return {}
    here = table[(table["fraction"] == layout.fraction) & table["fit"].isin(FITS)].dropna(subset=[column])
    return dict(zip(zip(here["encoder"], here["target"], strict=True), here[column], strict=True))


def _cell(layout: Layout, encoder: str, target: str, rows: pd.DataFrame) -> Cell:
    values = rows["value"].to_numpy(float) * layout.scale
    undefined = bool(np.isnan(values).any())
    return Cell(
        mean=float(values.mean()),
        std=float(std_over_seeds(values)),
        n_seeds=len(values),
        n=int(rows["n"].iloc[0]),
        n_positive=0 if pd.isna(rows["n_positive"].iloc[0]) else int(rows["n_positive"].iloc[0]),
        paper=PAPER.get(encoder, {}).get(target),
        note=UNDEFINED[layout.metric] if undefined else "",
    )


def _note_seeds(table: list[list[Cell]]) -> list[list[Cell]]:
    """Note the number of seeds at cells where it differs from the rest of the table."""
    usual = usual_seeds(table)

    def noted(cell: Cell) -> Cell:
        if cell.note or cell.n_seeds == usual:
            return cell
        return replace(cell, note="one seed" if cell.n_seeds == 1 else f"{cell.n_seeds} seeds")

    return [[noted(cell) for cell in row] for row in table]


def trials_of(cells: list[list[Cell]]) -> list[int]:
    """Return the numbers of trials behind a table's cells where they are known, the most frequent first."""
    known = [cell.tuned_trials for row in cells for cell in row if cell.tuned_trials is not None]
    return [trials for trials, _ in Counter(known).most_common()]


def tuning_words(trials: int) -> str:
    """Return how settings were found that are the best of this many trials; 0: nothing was tried."""
    return f"best of {trials} trials on validation" if trials else "settings of the config"


def _note_tuning(table: list[list[Cell]]) -> list[list[Cell]]:
    """Note how a cell's settings were found where this differs from most of the table."""
    trials = trials_of(table)
    if len(trials) < 2:
        return table
    others = f"{'others' if len(trials) == 2 else 'most others'}: {tuning_words(trials[0])}"

    def noted(cell: Cell) -> Cell:
        if cell.tuned_trials in (None, trials[0]):
            return cell
        return replace(cell, tuning=f"{tuning_words(cell.tuned_trials)} ({others})")

    return [[noted(cell) for cell in row] for row in table]


def _mark(column: Sequence[Cell], competing: Sequence[bool], digits: int) -> list[Cell]:
    """Mark the best and the second best printed value; equal values share a mark, a lone value gets none.

    Models that were not trained take no part.
    """
    shown = [
        round(cell.mean, digits) if takes_part and not cell.untrained else float("nan")
        for cell, takes_part in zip(column, competing, strict=True)
    ]
    values = sorted({value for value in shown if not np.isnan(value)}, reverse=True)
    if sum(not np.isnan(value) for value in shown) < 2:
        return list(column)
    marks = dict(zip(values, ("best", "second"), strict=False))
    return [replace(cell, mark=marks.get(value, "")) for cell, value in zip(column, shown, strict=True)]

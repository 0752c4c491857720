"""Figure 4: CMR phenotypes predicted from the ECG against the measured ones, one panel a phenotype (§V-C).

r is the tables': the mean over the runs (seeds) of a model. Dots and line are one run, for the average of five runs'
predictions would have a higher r than the runs have: in each group the one of median validation score, so that it is
neither the luckiest nor chosen by what it does on the test split. Its own r is in parentheses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.metrics.correlation import pearson
from cmr2ecg.metrics.predictions import Predictions, read_predictions
from cmr2ecg.metrics.scores import Scored, group_outputs
from cmr2ecg.report.figures.style import MODELS, RC
from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.phenotypes import phenotype_table

COLUMNS = 5
DOTS, LINE = MODELS["mmcl_without_mdm"][0], MODELS["mmcl"][0]
NOTE = "r: mean over the runs, as in the tables. Drawn: the run of median validation score, its r in parentheses"


@dataclass(frozen=True)
class Shown:
    """Test predictions of a phenotype by all runs, and the run (row of `scores`) that is drawn."""

    entry: Predictions
    run: int

    @property
    def mean_r(self) -> float:
        """Pearson's r, mean over the runs; NaN if it is undefined for one of them."""
        return float(Scored([self.entry]).by_seed.mean())


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure; inputs: predictions (predictions.parquet of the targets lv, rv, wt, ecc, err that were run).

    Settings: phenotypes (names, a panel each), dots (subjects a panel at most), seed (of the subjects drawn).
    A phenotype whose target was not run leaves a panel that says so. Raises InputError if two targets were predicted
    for different test subjects.
    """
    found = test_predictions(inputs.get("predictions", []))
    names = settings["phenotypes"]
    units = phenotype_table().set_index("bai_name")["units"]
    rows = -(-len(names) // COLUMNS)
    with rc_context({**RC, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        figure = Figure(figsize=(2.25 * COLUMNS, 2.35 * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for panel, name in zip(panels, names, strict=False):
            panel.set_title(f"{name.replace('_', ' ')} [{units[name]}]", loc="left", fontsize=8.5)
            draw_panel(panel, found.get(name), settings["dots"], settings["seed"])
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        several = any(len(shown.entry.seeds) > 1 for shown in found.values())
        figure.supxlabel("Measured on CMR images [unit of the panel]" + f"\n{NOTE}" * several, fontsize=9)
        figure.supylabel("Predicted from the ECG [unit of the panel]", fontsize=9)
    return figure


def test_predictions(paths: Sequence[Path]) -> dict[str, Shown]:
    """Return the test predictions of each phenotype, and which run of its group is drawn.

    Raises InputError naming two files whose test subjects differ.
    """
    found: dict[str, Shown] = {}
    first: Predictions | None = None
    for path in paths:
        entries = read_predictions(path)
        run = median_run(entries)
        for entry in entries:
            if entry.split != "test":
                continue
            first = first or entry
            if not np.array_equal(first.eid, entry.eid):
                raise InputError(
                    f"{first.path} and {path} hold different subjects in the test split; "
                    "they come from different splits of the cohort, so run the older one again"
                )
            found[entry.output] = Shown(entry, run)
    return found


def median_run(entries: Sequence[Predictions]) -> int:
    """Return the place of the run with the median mean r on the validation split, of two in the middle the lower one.

    A run whose r is undefined counts as the lowest; of equal ones the first comes first.
    """
    (val,) = group_outputs(entries, "val")
    order = np.argsort(np.nan_to_num(val.by_seed, nan=-1.0), kind="stable")
    return int(order[(len(order) - 1) // 2])


def draw_panel(axes: Axes, phenotype: Shown | None, dots: int, seed: int) -> None:
    """Draw some subjects as dots and the regression line of all, of one run; dashed is where both are equal."""
    known = np.isfinite(phenotype.entry.y_true) if phenotype else np.zeros(0, bool)
    if phenotype is None or known.sum() < 3:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "too few measured" if phenotype else "not run", ha="center", transform=axes.transAxes)
        return
    true, score = phenotype.entry.y_true[known], phenotype.entry.scores[phenotype.run][known]
    shown = np.random.default_rng(seed).permutation(len(true))[:dots]
    axes.scatter(true[shown], score[shown], s=5, color=DOTS, alpha=0.35, linewidths=0, rasterized=len(shown) > 2000)
    ends = limits(true[shown])
    axes.plot(ends, ends, color="0.6", linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    r = float(pearson(true, score))
    if np.isfinite(r):
        slope = r * score.std() / true.std()  # of least squares
        axes.plot(ends, score.mean() + slope * (ends - true.mean()), color=LINE, linewidth=1.6)
    axes.set_xlim(*ends)
    axes.set_ylim(*limits(score[shown]))
    axes.locator_params(nbins=4)
    text = f"{r_text(phenotype, r)}\nn = {len(true):,}"
    axes.text(0.03, 0.97, text, va="top", fontsize=7.5, transform=axes.transAxes)


def r_text(phenotype: Shown, drawn: float) -> str:
    """Return the tables' r and, where it is the mean of several runs, in parentheses r of the one that is drawn."""
    mean = phenotype.mean_r
    text = f"r = {mean:.2f}" if np.isfinite(mean) else "r not defined"
    return f"{text} ({drawn:.2f})" if len(phenotype.entry.seeds) > 1 and np.isfinite(drawn) else text


def limits(values: np.ndarray) -> np.ndarray:
    """Return axis limits that hold `values` with a margin of 4 %."""
    low, high = values.min(), values.max()
    margin = 0.04 * (high - low) or 1.0
    return np.array([low - margin, high + margin])

"""Figure 4: CMR phenotypes predicted from the ECG against the measured ones, one panel a phenotype (§V-C).

Drawn is one model, that of the first seed, and not a mean over seeds: an average of five models would have a higher r
than the models whose mean r stands in table IV.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.evaluate.figures.style import MODELS, RC
from cmr2ecg.evaluate.statistics.predictions import Predictions, read_predictions
from cmr2ecg.runtime.command import InputError
from cmr2ecg.ukb.phenotypes import phenotype_table

COLUMNS = 5
DOTS, LINE = MODELS["mmcl_without_mdm"][0], MODELS["mmcl"][0]


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
        figure.supxlabel("Measured on CMR images [unit of the panel]", fontsize=9)
        figure.supylabel("Predicted from the ECG [unit of the panel]", fontsize=9)
    return figure


def test_predictions(paths: Sequence[Path]) -> dict[str, Predictions]:
    """Return the test predictions of each phenotype.

    Raises InputError naming two files whose test subjects differ.
    """
    found: dict[str, Predictions] = {}
    first: Predictions | None = None
    for path in paths:
        for entry in read_predictions(path):
            if entry.split != "test":
                continue
            first = first or entry
            if not np.array_equal(first.eid, entry.eid):
                raise InputError(
                    f"{first.path} and {path} hold different subjects in the test split; "
                    "they come from different splits of the cohort, so run the older one again"
                )
            found[entry.output] = entry
    return found


def draw_panel(axes: Axes, entry: Predictions | None, dots: int, seed: int) -> None:
    """Draw some subjects as dots, the regression line and r of all; the dashed line is where both are equal."""
    known = np.isfinite(entry.y_true) if entry else np.zeros(0, bool)
    if known.sum() < 3:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "too few measured" if entry else "not run", ha="center", transform=axes.transAxes)
        return
    true, score = entry.y_true[known], entry.scores[0][known]
    shown = np.random.default_rng(seed).permutation(len(true))[:dots]
    axes.scatter(true[shown], score[shown], s=5, color=DOTS, alpha=0.35, linewidths=0, rasterized=len(shown) > 2000)
    ends = limits(true[shown])
    axes.plot(ends, ends, color="0.6", linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    slope, r = regression(true, score)
    if np.isfinite(r):
        axes.plot(ends, score.mean() + slope * (ends - true.mean()), color=LINE, linewidth=1.6)
    axes.set_xlim(ends)
    axes.set_ylim(limits(score[shown]))
    axes.locator_params(nbins=4)
    text = f"r = {r:.2f}" if np.isfinite(r) else "r not defined"
    axes.text(0.03, 0.97, f"{text}\nn = {len(true):,}", va="top", fontsize=7.5, transform=axes.transAxes)


def regression(true: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Return slope of `score` on `true` by least squares and Pearson's r; NaN where one of both is constant."""
    x, y = true - true.mean(), score - score.mean()
    xx, yy, xy = (x * x).sum(), (y * y).sum(), (x * y).sum()
    return (xy / xx, xy / np.sqrt(xx * yy)) if xx > 0 and yy > 0 else (float("nan"), float("nan"))


def limits(values: np.ndarray) -> np.ndarray:
    """Return axis limits that hold `values` with a margin of 4 %."""
    low, high = values.min(), values.max()
    margin = 0.04 * (high - low) or 1.0
    return np.array([low - margin, high + margin])

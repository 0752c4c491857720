"""Covariates, labels and phenotypes by split: three random splits of one cohort should look alike (§IV-A, §IV-B)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.loading.labels import rows_for
from cmr2ecg.metrics.proportion import wilson
from cmr2ecg.report.figures.style import RC, light_grid
from cmr2ecg.report.tables.names import TARGETS
from cmr2ecg.tables.phenotypes import phenotype_names, phenotype_table

SPLITS = {"train": ("#0072B2", "o", "-"), "val": ("#E69F00", "s", (0, (4, 1.5))), "test": ("#000000", "^", (0, (1, 1)))}
NAMES = {"train": "training", "val": "validation", "test": "test"}
COVARIATES = {"age": "Age [years]", "weight": "Weight [kg]", "height": "Height [cm]"}
SEGMENTED = {"wt": "Wall thickness [mm]", "ecc": "Circumferential strain [%]", "err": "Radial strain [%]"}
PAPER_PREVALENCE = {"cad": 7.22, "af": 2.98, "dm": 4.46}  # percent, §IV-B


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure; inputs: split (split.csv), covariates, labels, phenotypes (parquet files of read_tabular)."""
    split = pd.read_csv(inputs["split"][0])
    eids, names = split["eid"].to_numpy(), split["split"].to_numpy()
    tables = {name: rows_for(inputs[name][0], eids) for name in ("covariates", "labels", "phenotypes")}
    with rc_context({**RC, "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        figure = Figure(figsize=(11, 11.5), layout="constrained")
        grid = figure.add_gridspec(6, 1)
        top = list(grid[0].subgridspec(1, 5).subplots(squeeze=False)[0])
        draw_covariates(top[:4], tables["covariates"], names)
        draw_labels(top[4], tables["labels"], names)
        draw_ventricles(list(grid[1:3].subgridspec(2, 5).subplots(squeeze=False).flat), tables["phenotypes"], names)
        for row, (group, title) in enumerate(SEGMENTED.items(), start=3):
            draw_quartiles(figure.add_subplot(grid[row]), tables["phenotypes"][phenotype_names(group)], names, title)
        counts = [f"{title} (n = {int((names == name).sum()):,})" for name, title in NAMES.items()]
        handles = [top[0].plot([], [], color=c, marker=m, linestyle=line)[0] for c, m, line in SPLITS.values()]
        figure.legend(handles, counts, loc="outside upper center", ncols=3, handlelength=3)
    return figure


def draw_covariates(panels: Sequence[Axes], table: pd.DataFrame, names: np.ndarray) -> None:
    """Draw age, weight and height as histograms and sex as the share of men."""
    for axes, (name, title) in zip(panels, COVARIATES.items(), strict=False):
        draw_histogram(axes, table[name].to_numpy(float), names, title)
    panels[0].set_ylabel("Subjects per bin [%]")
    draw_shares(panels[3], {"male": table["sex"].to_numpy(float)}, names)
    panels[3].set_ylabel("Share [%]")


def draw_labels(axes: Axes, table: pd.DataFrame, names: np.ndarray) -> None:
    """Draw each disease's prevalence in each split, and the paper's as a bar across."""
    shown = [*(name for name in TARGETS if name in table), *(name for name in table if name not in TARGETS)]
    draw_shares(axes, {TARGETS[name]: table[name].to_numpy(float) for name in shown}, names)
    for place, name in enumerate(shown):
        if name in PAPER_PREVALENCE:
            line = [PAPER_PREVALENCE[name]] * 2
            axes.plot([place - 0.35, place + 0.35], line, color="0.55", linewidth=1.2, zorder=1, label="paper")
    handles = [line for line in axes.get_lines() if line.get_label() == "paper"]
    axes.legend(handles[:1], ["paper"], fontsize=7)
    axes.set_ylabel("Prevalence [%]")


def draw_ventricles(panels: Sequence[Axes], table: pd.DataFrame, names: np.ndarray) -> None:
    """Draw the ten volumes, fractions and the mass of both ventricles as histograms."""
    described = phenotype_table()
    described = described[described["group"].isin(["lv", "rv"])]
    for axes, name, unit in zip(panels, described["bai_name"], described["units"], strict=True):
        draw_histogram(axes, table[name].to_numpy(float), names, f"{name} [{unit}]")
    for axes in panels[::5]:
        axes.set_ylabel("Subjects per bin [%]")


def draw_histogram(axes: Axes, values: np.ndarray, names: np.ndarray, title: str) -> None:
    """Draw the share of a split's subjects in each bin; missing values are left out and counted in the title."""
    known = np.isfinite(values)
    if known.any():
        bins = np.histogram_bin_edges(values[known], int(np.clip(1.5 * np.cbrt(known.sum()), 6, 30)))
        for split, (colour, _, line) in SPLITS.items():
            chosen = values[known & (names == split)]
            counts = np.histogram(chosen, bins)[0] * 100 / max(len(chosen), 1)
            axes.stairs(counts, bins, color=colour, linestyle=line, linewidth=1.1)
    else:
        axes.text(0.5, 0.5, "nobody has it", ha="center", va="center", transform=axes.transAxes)
    axes.set_xlabel(title)
    if not known.all():
        axes.set_title(f"missing in {1 - known.mean():.0%}", fontsize=7, loc="right", color="0.35", pad=2)
    light_grid(axes)


def draw_shares(axes: Axes, columns: Mapping[str, np.ndarray], names: np.ndarray) -> None:
    """Draw the share in percent of ones among 0/1 values in each split, with 95 % Wilson intervals."""
    highest = 0.0
    for place, values in enumerate(columns.values()):
        for number, (split, (colour, marker, _)) in enumerate(SPLITS.items()):
            chosen = values[(names == split) & np.isfinite(values)]
            if len(chosen):
                share, low, high = (100 * value for value in wilson(int(chosen.sum()), len(chosen)))
                highest, error = max(highest, high), [[share - low], [high - share]]
                x = place + 0.22 * (number - 1)
                axes.errorbar(x, share, error, color=colour, marker=marker, markersize=4, linewidth=1, capsize=2)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(0, 1.15 * highest or 1)
    light_grid(axes)


def draw_quartiles(axes: Axes, table: pd.DataFrame, names: np.ndarray, title: str) -> None:
    """Draw median and quartiles of each column in each split, side by side."""
    for number, (split, (colour, marker, _)) in enumerate(SPLITS.items()):
        low, middle, high = table[names == split].quantile([0.25, 0.5, 0.75]).to_numpy()
        places = np.arange(table.shape[1]) + 0.22 * (number - 1)
        axes.errorbar(places, middle, [middle - low, high - middle], color=colour, marker=marker, markersize=4,
                      linewidth=1, linestyle="none", capsize=2)  # fmt: skip
    axes.set_xticks(range(table.shape[1]), [str(name).split("_", 1)[1].replace("_", " ") for name in table])
    axes.set_xlim(-0.6, table.shape[1] - 0.4)
    axes.set_ylabel(title)
    missing = table.isna().to_numpy().mean()
    axes.set_title(f"median and quartiles; missing in {missing:.0%}", fontsize=7, loc="right", color="0.35", pad=2)
    light_grid(axes)

"""Figure 6: where in the image the ECG sees its like, with and without masked data modelling (§III-C, §V-E)."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from cmr2ecg.report.figures.map_cases import (
    MODELS,
    Case,
    case_titles,
    read_cases,
    shared_limit,
    tensors_of,
    towers_of,
)
from cmr2ecg.report.figures.style import RC
from cmr2ecg.report.maps.cases import places_of
from cmr2ecg.report.maps.heatmap import COARSEST
from cmr2ecg.report.maps.similarity import project_ecg, project_regions, similarity
from cmr2ecg.report.maps.ventricle import Cover, planted_ventricles
from cmr2ecg.report.tables.names import MODELS as NAMES
from cmr2ecg.report.tables.sheet import interval, p_value

COLOURS, COVER = "RdBu_r", 0.5  # authors' colours; share of the map over the image
OUTLINE, FINE = "#ffd92f", (64, 64)  # colour of the left ventricle's outline, and places at which it is looked up
SHOWN = {"share": "Share in the left ventricle", "pointing": "Pointing"}  # measures of heatmap.csv
LETTERS, LINE = 30, 0.12  # of the text above a row of maps: letters to a panel's width, inches to a line
LEVELS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)  # contours, as shares of the scale's end


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure: a column a case; the image at end-diastole, then the map of each model over it.

    Inputs: dataset, split, cmr and qc (all shards of crop_cmr), mmcl_without_mdm and mmcl (four networks each; a model
    that is left out was not run); where there are, heatmap (of score_heatmap: its numbers are written above the maps),
    visits and truth (of simulate_cohort: the left ventricle is outlined in the image). Settings: models, upsample,
    temperature, channels, cases, eids, seed.
    """
    cases = read_cases(settings, inputs)
    maps, ventricles = similarity_maps(settings, inputs, cases), outlines(inputs, cases)
    numbers = numbers_of(inputs, LETTERS * len(cases))
    limit = shared_limit([*maps.values()]) if maps else 1.0
    frame = settings["channels"].index("ed")
    with rc_context({**RC, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        height = 6.1 + LINE * sum(map(len, numbers.values()))
        figure = Figure(figsize=(1.85 * len(cases) + 1.5, height), layout="constrained")
        grid = figure.subplots(3, len(cases), squeeze=False)
        for column, (case, title) in enumerate(zip(cases, case_titles(cases), strict=True)):
            grid[0, column].set_title(title)
            draw_image(grid[0, column], case, frame)
            if case.eid in ventricles:
                draw_outline(grid[0, column], case, ventricles[case.eid](FINE))
            for panel, model in zip(grid[1:, column], MODELS, strict=True):
                draw_image(panel, case, frame)
                if model in maps:
                    shown = draw_map(panel, case, maps[model][column], limit)
                else:
                    panel.text(0.5, 0.5, "not run", color="white", ha="center", transform=panel.transAxes)
        for panel, name in zip(grid[:, 0], ("Image, end-diastole", *(NAMES[model] for model in MODELS)), strict=True):
            panel.set_ylabel(f"{name}\n[mm]", fontsize=8.5)
        for panel, model in zip(grid[1:, 0], MODELS, strict=True):
            write_above(panel, numbers.get(model, []))
        for panel in grid[-1]:
            panel.set_xlabel("[mm]", fontsize=8.5)
        if maps:
            over = "" if settings["temperature"] == 1 else f" / {settings['temperature']:g}"
            figure.colorbar(shown, ax=grid, label=f"Cosine similarity{over}", shrink=0.6, aspect=30, anchor=(0, 0))
    return figure


def similarity_maps(
    settings: Mapping[str, Any], inputs: Mapping[str, list[Path]], cases: list[Case]
) -> dict[str, np.ndarray]:
    """Return the map (cases, height, width) of each model that was trained."""
    maps = {}
    for name, towers in towers_of(inputs, settings["models"]).items():
        ecg, images = tensors_of(cases, inputs["dataset"][0], towers)
        regions = project_regions(towers, images, settings["upsample"])
        maps[name] = similarity(regions, project_ecg(towers, ecg), settings["temperature"]).numpy()
    return maps


def numbers_of(inputs: Mapping[str, list[Path]], letters: int) -> dict[str, list[str]]:
    """Return what was measured of each model's maps, in lines; none where nothing was, or the map is too coarse."""
    found: dict[str, list[str]] = {}
    for path in inputs.get("heatmap", []):
        table = pd.read_csv(path)
        for model, rows in table[table["model"].isin(MODELS)].groupby("model"):
            if min(map(int, rows["map"].iloc[0].split("x"))) >= COARSEST:
                lines = in_words(rows.set_index("measure"))
                found[str(model)] = [part for line in lines for part in textwrap.wrap(line, letters)]
    return found


def in_words(rows: pd.DataFrame) -> list[str]:
    """Return share and pointing of one model's maps beside permuted pairs; rows: of heatmap.csv, by measure."""
    lines = []
    for measure, name in SHOWN.items():
        row = rows.loc[measure, ["value", "null_mean", "null_low", "null_high", "p", "n"]]
        value, *null, p, n = map(float, row.to_numpy())
        shown = p_value(p) if p_value(p).startswith("<") else f"= {p_value(p)}"
        lines.append(f"{name}: {value:.3f}, permuted pairs {interval(null, digits=3)}, p {shown}, n = {n:.0f}")
    return lines


def outlines(inputs: Mapping[str, list[Path]], cases: list[Case]) -> dict[int, Cover]:
    """Return eid -> the left ventricle of the cases in which it was planted."""
    if "truth" not in inputs:
        return {}
    places = places_of(inputs["cmr"], np.array([case.eid for case in cases]))
    truth, visits = (pd.read_parquet(inputs[name][0]) for name in ("truth", "visits"))
    return planted_ventricles(truth, visits, places)


def write_above(axes: Axes, lines: list[str]) -> None:
    """Write text above a row of panels, of which `axes` is the first: its lines take height from the row, no width."""
    if lines:
        axes.set_title("\n".join(" " * len(lines)), fontsize=7)
        text = axes.annotate(
            "\n".join(lines), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7
        )
        text.set_in_layout(False)


def draw_outline(axes: Axes, case: Case, cover: np.ndarray) -> None:
    """Draw the border of the left ventricle, which covers half of a place there."""
    if cover.max() > 0.5 > cover.min():
        centres = [(np.arange(n) + 0.5) / n * length for n, length in zip(cover.shape, case.size_mm, strict=True)]
        axes.contour(centres[1], centres[0], cover, levels=[0.5], colors=OUTLINE, linewidths=0.9)
        axes.set(xlim=(0, case.size_mm[1]), ylim=(case.size_mm[0], 0))


def draw_image(axes: Axes, case: Case, frame: int) -> None:
    """Draw one frame of the crop, axes in mm."""
    axes.imshow(case.crop[frame].astype(np.float32), cmap="gray", extent=extent_of(case), vmin=0, vmax=1)
    axes.locator_params(nbins=4)
    axes.spines[:].set_visible(False)
    axes.label_outer()


def draw_map(axes: Axes, case: Case, values: np.ndarray, limit: float) -> Any:
    """Draw a map over the image and return it; contours, the peak's ring and the range in figures serve in grey."""
    height, width = case.size_mm
    shown = axes.imshow(
        values, cmap=COLOURS, vmin=-limit, vmax=limit, alpha=COVER, extent=extent_of(case), interpolation="nearest"
    )
    centres = [(np.arange(n) + 0.5) / n * length for n, length in zip(values.shape, case.size_mm, strict=True)]
    rows, columns = (np.array([0, *line, length]) for line, length in zip(centres, case.size_mm, strict=True))
    levels = limit * np.array(LEVELS)
    lines = axes.contour(
        columns,
        rows,
        np.pad(values, 1, mode="edge"),
        levels=levels,
        colors="black",
        linewidths=np.where(levels, 0.6, 1.3),
    )
    lines.set_path_effects([withStroke(linewidth=1.8, foreground="white", alpha=0.6)])
    row, column = np.unravel_index(values.argmax(), values.shape)
    for colour, thick in (("black", 2.2), ("white", 1.0)):
        axes.plot(
            *(centres[1][column], centres[0][row]),
            marker="o",
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=thick,
        )
    text = f"{values.min():.2f} to {values.max():.2f}".replace("-", "\N{MINUS SIGN}")
    axes.text(0.03, 0.97, text, fontsize=6.5, va="top", color="white", transform=axes.transAxes,
              path_effects=[withStroke(linewidth=1.8, foreground="black")])  # fmt: skip
    axes.set(xlim=(0, width), ylim=(height, 0))
    return shown


def extent_of(case: Case) -> tuple[float, float, float, float]:
    """Return imshow's extent of a crop in mm, its upper left corner at 0."""
    return 0, case.size_mm[1], case.size_mm[0], 0

"""Figure 6: where in the image the ECG sees its like, with and without masked data modelling (§III-C, §V-E)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
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
from cmr2ecg.report.maps.similarity import project_ecg, project_regions, similarity
from cmr2ecg.report.tables.names import MODELS as NAMES

COLOURS, COVER = "RdBu_r", 0.5  # authors' colours; share of the map over the image
LEVELS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)  # contours, as shares of the scale's end


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure: a column a case; the image at end-diastole, then the map of each model over it.

    Inputs: dataset, split, cmr and qc (all shards of crop_cmr), mmcl_without_mdm and mmcl (four networks each; a model
    that is left out was not run). Settings: models, upsample, temperature, channels, cases, eids, seed.
    """
    cases = read_cases(settings, inputs)
    maps = similarity_maps(settings, inputs, cases)
    limit = shared_limit([*maps.values()]) if maps else 1.0
    frame = settings["channels"].index("ed")
    with rc_context({**RC, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        figure = Figure(figsize=(1.85 * len(cases) + 1.5, 6.1), layout="constrained")
        grid = figure.subplots(3, len(cases), squeeze=False)
        for column, (case, title) in enumerate(zip(cases, case_titles(cases), strict=True)):
            grid[0, column].set_title(title)
            draw_image(grid[0, column], case, frame)
            for panel, model in zip(grid[1:, column], MODELS, strict=True):
                draw_image(panel, case, frame)
                if model in maps:
                    shown = draw_map(panel, case, maps[model][column], limit)
                else:
                    panel.text(0.5, 0.5, "not run", color="white", ha="center", transform=panel.transAxes)
        for panel, name in zip(grid[:, 0], ("Image, end-diastole", *(NAMES[model] for model in MODELS)), strict=True):
            panel.set_ylabel(f"{name}\n[mm]", fontsize=8.5)
        for panel in grid[-1]:
            panel.set_xlabel("[mm]", fontsize=8.5)
        if maps:
            over = "" if settings["temperature"] == 1 else f" / {settings['temperature']:g}"
            figure.colorbar(shown, ax=grid[1:], label=f"Cosine similarity{over}", shrink=0.8, aspect=30)
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

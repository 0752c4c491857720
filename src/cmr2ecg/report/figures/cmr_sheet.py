"""A sheet of hearts of training subjects drawn at random: the whole frame with its box, and the crop (§IV-A)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cmr2ecg.cmr.short_axis import Cine, read_middle_slice
from cmr2ecg.cohort.visits import located
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.report.figures.sheets import drawn_subjects, grid_shape, read_rows
from cmr2ecg.report.figures.style import RC
from cmr2ecg.report.maps.cases import places_of

PHASES = {"es": "end-systole", "ed": "end-diastole", "mid": "mid-phase"}
BOX = "#F0E442"  # yellow is the lightest of the palette, hence seen on grey images and in print


@dataclass(frozen=True)
class Heart:
    """One subject's crop (3, size, size) and where it came from; `whole` is None if the raw file can't be read."""

    crop: np.ndarray
    box: np.ndarray  # row0, column0, height, width in pixels of the raw frame (edges)
    frames: np.ndarray
    whole: Cine | None


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure; the raw files of the few subjects drawn are read again for their whole frames.

    Inputs: dataset (dataset.h5), split, visits (visits.parquet of index_cohort), cmr (all shards of crop_cmr).
    Settings: sheet_subjects, seed, channels (the crop's, such as [es, ed, mid]), read (limits for the raw file), raw
    (see `located`).
    """
    (dataset,), (split,), (visits,) = inputs["dataset"], inputs["split"], inputs["visits"]
    eids = drawn_subjects(split, settings["sheet_subjects"], settings["seed"])
    table, raw = pd.read_parquet(visits), settings.get("raw")
    paths = dict(zip(table["eid"], located(table, "cmr_path", Path(raw) if raw else None), strict=True))
    places = places_of(inputs["cmr"], eids)
    hearts = [
        Heart(crop, *places[eid], whole=whole_frames(paths.get(eid), settings["read"]))
        for eid, crop in zip(eids.tolist(), read_rows(dataset, "cmr", eids), strict=True)
    ]
    channels = settings["channels"]
    rows, columns = grid_shape(len(hearts), 2)
    with rc_context(RC):
        figure = Figure(figsize=(6.6 * columns, 1.75 * rows + 0.35), layout="constrained")
        grid = figure.subplots(rows, 4 * columns, squeeze=False).reshape(rows * columns, 4)
        for panels, heart in zip(grid, hearts, strict=False):
            draw_heart(panels, heart, channels.index("ed") if "ed" in channels else 0)
        for panels in grid[len(hearts) :]:
            for panel in panels:
                panel.set_axis_off()
        for column in range(columns):
            titles = ["whole frame, end-diastole", *(PHASES[name] for name in channels)]
            for panel, title in zip(grid[column], titles, strict=True):
                panel.set_title(title, fontsize=8)
        figure.supxlabel("Distance along the row [mm]; vertical axes: along the column [mm]", fontsize=9)
    return figure


def whole_frames(path: str | None, limits: Mapping[str, Any]) -> Cine | None:
    """Return the middle slice's cine, or None if the raw file has gone or can't be read any more."""
    try:
        return read_middle_slice(path, **limits) if path else None
    except Rejection:
        return None


def draw_heart(panels: np.ndarray, heart: Heart, end_diastole: int) -> None:
    """Draw the whole end-diastolic frame with the box, and the crop's three channels; axes in mm of the frame."""
    row0, column0, height, width = heart.box
    row_mm, column_mm = heart.whole.spacing_mm if heart.whole else (1.0, 1.0)
    extent = (column0 * column_mm, (column0 + width) * column_mm, (row0 + height) * row_mm, row0 * row_mm)
    if heart.whole is None:
        panels[0].set_axis_off()
        panels[0].text(0.5, 0.5, "raw file\nnot readable", ha="center", va="center", transform=panels[0].transAxes)
    else:
        panels[0].locator_params(nbins=4)
        draw_whole(panels[0], heart.whole, int(heart.frames[end_diastole]))
        panels[0].add_patch(
            Rectangle(
                (extent[0], extent[3]), width * column_mm, height * row_mm, fill=False, edgecolor=BOX, linewidth=1.1
            )
        )
    for panel, channel in zip(panels[1:], heart.crop, strict=True):
        panel.locator_params(nbins=4)
        draw_pixels(panel, channel.astype(np.float32), (0, 1), extent)
        panel.set_yticks([])
        if heart.whole is None:  # then the size of a pixel is not known
            panel.set_xticks([])
    for panel in panels:
        panel.tick_params(labelsize=6, length=2, pad=1)
        panel.spines[:].set_visible(False)


def draw_whole(axes: Axes, cine: Cine, frame: int) -> None:
    """Draw one whole frame, dark tissue to the 99.5th percentile, with axes in mm."""
    pixels = cine.pixels[min(frame, len(cine.pixels) - 1)]
    rows, columns = pixels.shape
    extent = (0, columns * cine.spacing_mm[1], rows * cine.spacing_mm[0], 0)
    draw_pixels(axes, pixels, (pixels.min(), np.percentile(pixels, 99.5)), extent)


def draw_pixels(
    axes: Axes, pixels: np.ndarray, span: tuple[float, float], extent: tuple[float, float, float, float]
) -> None:
    """Draw pixels as they are, in grey from black to white over `span`."""
    axes.imshow(pixels, vmin=span[0], vmax=span[1], extent=extent, cmap="gray", interpolation="nearest")

"""A sheet of cleaned ECGs of training subjects drawn at random, to look at what the models see (§IV-A)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.report.figures.sheets import drawn_subjects, grid_shape, read_rows
from cmr2ecg.report.figures.style import RC

STEP_SD = 9.0  # distance of two leads; few R waves are higher, after the clamp at 4 SD of the record
BAR_SD = 5.0
INK, PALE = "black", "0.9"


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure; inputs: dataset (dataset.h5) and split; settings: sheet_subjects, seed, sampling_rate_hz.

    Amplitudes are in standard deviations of the lead's group, which is what the cleaning leaves; the subjects bear
    no name.
    """
    (dataset,), (split,) = inputs["dataset"], inputs["split"]
    eids = drawn_subjects(split, settings["sheet_subjects"], settings["seed"])
    records = read_rows(dataset, "ecg", eids)
    rows, columns = grid_shape(len(records), 3)
    with rc_context(RC):
        figure = Figure(figsize=(3.8 * columns + 0.5, 3.7 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, record in zip(panels, records, strict=False):
            draw_record(panel, record, settings["sampling_rate_hz"])
        for panel in panels[len(records) :]:
            panel.set_axis_off()
        figure.supxlabel("Time [s]", fontsize=9)
        figure.supylabel(f"Lead; amplitude in SD of its lead group, scale bar {BAR_SD:g} SD", fontsize=9)
    return figure


def draw_record(axes: Axes, record: np.ndarray, sampling_rate_hz: float) -> None:
    """Draw one ECG (12, samples), lead I on top; a bar at the right end shows the scale."""
    time = np.arange(record.shape[1]) / sampling_rate_hz
    places = -STEP_SD * np.arange(len(record))
    for place, lead in zip(places, record, strict=True):
        axes.axhline(place, color=PALE, linewidth=0.5, zorder=1)
        axes.plot(time, place + lead, color=INK, linewidth=0.45, zorder=2)
    axes.plot([time[-1] * 1.015] * 2, places[-1] + np.array([0, BAR_SD]), color=INK, linewidth=2.5, clip_on=False)
    axes.set_yticks(places, LEADS)
    axes.tick_params(axis="y", length=0, labelsize=7)
    axes.set_xlim(0, time[-1] * 1.03)
    axes.set_ylim(places[-1] - STEP_SD, STEP_SD * 1.5)

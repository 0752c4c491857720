"""The other half of figure 6: which leads and times of the ECG are like the image. The paper has no such figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.report.figures.map_cases import case_titles, read_cases, tensors_of, towers_of
from cmr2ecg.report.figures.sheets import grid_shape
from cmr2ecg.report.figures.style import RC
from cmr2ecg.report.maps.similarity import project_image, project_patches, similarity
from cmr2ecg.report.tables.names import MODELS as NAMES

MODEL = "mmcl"
COLOURS = "Oranges"  # light to dark, so that it reads the same in grey
STEP_SD = 8.0  # distance of two leads, in standard deviations of the lead group


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure: a panel a case, the same cases as figure 6, of the model with masked data modelling.

    Inputs and settings as for figure 6, and sampling_rate_hz.
    """
    cases = read_cases(settings, inputs)
    rows, columns = grid_shape(len(cases), 3)
    with rc_context({**RC, "xtick.labelsize": 7}):
        figure = Figure(figsize=(3.7 * columns + 0.9, 3.6 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for panel, title in zip(panels, case_titles(cases), strict=False):
            panel.set_title(title)
        for place in range(len(cases), rows * columns):
            panels[place].set_axis_off()
            panels[place - columns].tick_params(labelbottom=True)  # nothing below it bears the labels
        towers = towers_of({MODEL: inputs.get(MODEL, [])}, settings["models"]).get(MODEL)
        if towers is None:
            for panel in panels[: len(cases)]:
                panel.text(0.5, 0.5, "not run", ha="center", transform=panel.transAxes)
            return figure
        ecg, images = tensors_of(cases, inputs["dataset"][0], towers)
        patches, whole = project_patches(towers, ecg), project_image(towers, images)
        maps = similarity(patches, whole, settings["temperature"]).numpy()
        ends = float(maps.min()), float(maps.max())
        for panel, record, values in zip(panels, ecg.numpy()[..., : towers.encoder.samples], maps, strict=False):
            shown = draw_panel(panel, record, values, settings["sampling_rate_hz"], ends)
        over = "" if settings["temperature"] == 1 else f" / {settings['temperature']:g}"
        label = f"Cosine similarity of a patch with the image{over}, {NAMES[MODEL]}"
        figure.colorbar(shown, ax=panels, label=label, aspect=40)
        figure.supxlabel("Time [s]", fontsize=9)
        figure.supylabel(f"Lead; {STEP_SD:g} SD of its lead group from one to the next", fontsize=9)
    return figure


def draw_panel(
    axes: Axes, record: np.ndarray, values: np.ndarray, sampling_rate_hz: float, ends: tuple[float, float]
) -> Any:
    """Draw an ECG (leads, samples) over the similarities (leads, times) of its patches, and return these."""
    leads, samples = record.shape
    seconds = samples / sampling_rate_hz
    places = -STEP_SD * np.arange(leads)
    edges = STEP_SD * (0.5 - np.arange(leads + 1))
    times = np.linspace(0, seconds, values.shape[1] + 1)
    shown = axes.pcolormesh(times, edges, values, cmap=COLOURS, vmin=ends[0], vmax=ends[1], alpha=0.75, linewidth=0)
    for place, lead in zip(places, record, strict=True):
        axes.plot(np.arange(samples) / sampling_rate_hz, place + lead, color="black", linewidth=0.5)
    axes.set_yticks(places, LEADS)
    axes.tick_params(axis="y", length=0, labelsize=7)
    axes.set_xlim(0, seconds)
    axes.set_ylim(edges[-1] - STEP_SD / 2, edges[0] + STEP_SD / 2)
    return shown

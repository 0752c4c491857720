"""One page per ECG: 12 leads on ECG paper at 25 mm/s and 10 mm/mV, risks, phenotypes and a bull's-eye plot.

The page is A4 landscape and drawn in millimetres, so that a print at full size can be measured with a ruler.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, Wedge

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.predict.records import in_one_line
from cmr2ecg.predict.results import NOTE
from cmr2ecg.report.figures.style import RC
from cmr2ecg.report.tables.names import DISEASES
from cmr2ecg.runtime.files import atomic

INCH_MM = 25.4
PAGE = (297.0, 210.0)  # A4 landscape
PAPER = (22.0, 82.0, 255.0, 110.0)  # left, bottom, width, height of the ECG paper
MM_PER_S, MM_PER_MV = 25.0, 10.0
SHOWN_S = 10.0
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
RHYTHM = "II"
PULSE_S, PULSE_MV = 0.2, 1.0  # the calibration mark
FINE, COARSE, INK = "#f6d5d0", "#e9a59c", "#1a1a1a"
BAR, TICK = "#0072B2", "#D55E00"
# Angle of a segment's first edge and its width, in degrees counter-clockwise from the lateral wall (Cerqueira 2002).
RINGS = ((1, 6, 60.0, 60.0, 1.0), (7, 6, 60.0, 60.0, 2 / 3), (13, 4, 45.0, 90.0, 1 / 3))
SUMMARY = (
    *("LVEDV", "LVESV", "LVSV", "LVEF", "LVCO", "LVM", "RVEDV", "RVESV", "RVSV", "RVEF"),
    *("WT_Global", "Ecc_Global", "Err_Global"),
)
DPI = 110
MAX_TITLE = 80  # characters


def write_page(
    signal: np.ndarray, entry: Mapping[str, Any], release: Mapping[str, Any], stem: Path, kinds: Sequence[str]
) -> None:
    """Write stem.pdf and/or stem.png.

    Args:
        signal: (12, samples) in mV, before cleaning.
        entry: its results (results.entry_of).
        release: config.json.
        stem: path without ending.
        kinds: of "pdf", "png".
    """
    figure = draw(signal, entry, release)
    for kind in kinds:
        with atomic(stem.with_name(f"{stem.name}.{kind}")) as partial, rc_context(RC):
            figure.savefig(partial, format=kind, dpi=DPI)


def draw(signal: np.ndarray, entry: Mapping[str, Any], release: Mapping[str, Any]) -> Figure:
    """Return the page."""
    with rc_context({**RC, "text.parse_math": False}):  # names are not formulas
        figure = Figure(figsize=(PAGE[0] / INCH_MM, PAGE[1] / INCH_MM))
        FigureCanvasAgg(figure)
        sheet = figure.add_axes((0, 0, 1, 1))
        sheet.set_xlim(0, PAGE[0])
        sheet.set_ylim(0, PAGE[1])
        sheet.set_axis_off()
        draw_head(sheet, entry, release)
        draw_paper(sheet)
        draw_leads(sheet, signal, release["clean_ecg"]["sampling_rate_hz"])
        draw_risks(sheet, entry["risks"], (PAPER[0], 73.0))
        draw_values(sheet, entry["phenotypes"], (PAPER[0] + 90.0, 73.0))
        draw_bullseye(sheet, entry["phenotypes"], (240.0, 37.0), 29.0)
        sheet.text(PAPER[0], 3.5, NOTE, fontsize=7.5, color="0.25", weight="bold")
    return figure


def draw_head(sheet: Axes, entry: Mapping[str, Any], release: Mapping[str, Any]) -> None:
    """Write the file's name, the heart rate and the model above the paper."""
    rate = entry["heart_rate_bpm"]
    about = [f"{float(rate):.0f} beats/min" if rate else "heart rate not found", entry["repairs"] or "as recorded"]
    sheet.text(
        PAPER[0], 202, in_one_line(Path(entry["file"]).name)[:MAX_TITLE], fontsize=11, weight="bold", va="center"
    )
    sheet.text(PAPER[0], 196, " · ".join(about), fontsize=8, color="0.3", va="center")
    right = PAPER[0] + PAPER[2]
    sheet.text(
        right, 202, f"release {release['name']}, cohort {release['cohort']}", ha="right", va="center", fontsize=8
    )
    made = "trained on a synthetic cohort: says nothing about anybody" if release["synthetic"] else "25 mm/s   10 mm/mV"
    sheet.text(right, 196, made, ha="right", va="center", fontsize=8, color=TICK if release["synthetic"] else "0.3")


def draw_paper(sheet: Axes) -> None:
    """Draw the grid, a thin line per millimetre and a strong one every five."""
    left, bottom, width, height = PAPER
    across, up = np.arange(left, left + width + 0.5), np.arange(bottom, bottom + height + 0.5)
    lines = [[(x, bottom), (x, bottom + height)] for x in across] + [[(left, y), (left + width, y)] for y in up]
    strong = [k % 5 == 0 for k in range(len(across))] + [k % 5 == 0 for k in range(len(up))]
    for wanted, color, size in ((False, FINE, 0.3), (True, COARSE, 0.5)):
        chosen = [line for line, is_strong in zip(lines, strong, strict=True) if is_strong is wanted]
        sheet.add_collection(LineCollection(chosen, colors=color, linewidths=size, zorder=0))


def draw_leads(sheet: Axes, signal: np.ndarray, rate_hz: float) -> None:
    """Draw four columns of three leads, consecutive in time, and the whole of lead II below them."""
    left, bottom, _, height = PAPER
    whole = min(signal.shape[1], int(SHOWN_S * rate_hz))
    centred = signal - np.median(signal, axis=1, keepdims=True)
    frame = Rectangle(PAPER[:2], *PAPER[2:], transform=sheet.transData)
    rows = bottom + height - height / 4 * (np.arange(4) + 0.5)
    for column, leads in enumerate(COLUMNS):
        first, last = whole * column // 4, whole * (column + 1) // 4
        for row, lead in zip(rows[:3], leads, strict=True):
            draw_lead(sheet, centred[LEADS.index(lead), first:last], left + 5, row, rate_hz, first, lead, frame)
            if column:
                x = left + 5 + first / rate_hz * MM_PER_S
                sheet.plot([x, x], [row - 2.5, row + 2.5], color=INK, linewidth=0.5)
    draw_lead(sheet, centred[LEADS.index(RHYTHM), :whole], left + 5, rows[3], rate_hz, 0, RHYTHM, frame)
    pulse = np.array([0, 0, PULSE_S / 2, PULSE_S / 2, PULSE_S]) * MM_PER_S
    for row in rows:
        sheet.plot(
            left + pulse * 0.8 + 0.5, row + np.array([0, 1, 1, 0, 0]) * PULSE_MV * MM_PER_MV, color=INK, linewidth=0.6
        )
    note = "25 mm/s   10 mm/mV; columns follow one another in time, lead II below is whole"
    sheet.text(left, bottom - 3.2, note, fontsize=6.5, color="0.35", va="center")


def draw_lead(
    sheet: Axes, lead: np.ndarray, left: float, middle: float, rate_hz: float, first: int, name: str, frame: Rectangle
) -> None:
    """Draw one lead (n,) in mV about `middle`, its first sample being number `first` of the record."""
    x = left + (first + np.arange(len(lead))) / rate_hz * MM_PER_S
    (line,) = sheet.plot(x, middle + lead * MM_PER_MV, color=INK, linewidth=0.6, zorder=2)
    line.set_clip_path(frame)
    sheet.text(x[0] + 1, middle + 8, name, fontsize=8, weight="bold", zorder=3)


def draw_risks(sheet: Axes, risks: Mapping[str, Any], corner: tuple[float, float]) -> None:
    """Draw a bar per disease with its seeds' standard deviation, and a tick at the prevalence for reference."""
    left, top = corner
    sheet.text(left, top, "Risk", fontsize=10, weight="bold", va="center")
    width = 78.0
    for place, (name, said) in enumerate(risks.items()):
        y = top - 9 - 15 * place
        spread = f" ± {100 * said['std']:.1f}" if said["std"] is not None else ""
        sheet.text(left, y + 1.2, DISEASES[name], fontsize=8, va="bottom")
        sheet.text(
            left + width,
            y + 1.2,
            f"{100 * said['risk']:.1f}{spread} %",
            fontsize=8,
            va="bottom",
            ha="right",
            weight="bold",
        )
        sheet.add_patch(Rectangle((left, y - 3.2), width, 3.6, color="0.92", linewidth=0))
        sheet.add_patch(Rectangle((left, y - 3.2), width * said["risk"], 3.6, color=BAR, linewidth=0))
        if said["std"] is not None:
            ends = np.clip(said["risk"] + np.array([-1, 1]) * said["std"], 0, 1)
            sheet.plot(left + width * ends, [y - 1.4] * 2, color=INK, linewidth=1)
        at = left + width * said["prevalence"]
        sheet.plot([at, at], [y - 4.4, y + 0.9], color=TICK, linewidth=1.5)
        sheet.text(at, y - 4.7, f"prevalence {100 * said['prevalence']:.1f} %", fontsize=6, color=TICK, va="top")
    if not risks:
        sheet.text(left, top - 8, "none in this release", fontsize=8, color="0.4")
    else:
        note = "bar: mean of the seeds; line: ± their standard deviation"
        sheet.text(left, top - 9 - 15 * len(risks), note, fontsize=6.5, color="0.35", va="center")


def draw_values(sheet: Axes, phenotypes: Mapping[str, Any], corner: tuple[float, float]) -> None:
    """List the phenotypes of the whole heart with their intervals; all others are in the csv."""
    left, top = corner
    sheet.text(left, top, "Estimated heart", fontsize=10, weight="bold", va="center")
    shown = [(name, phenotypes[name]) for name in SUMMARY if name in phenotypes]
    for row, (name, said) in enumerate(shown):
        y = top - 7.5 - 4.3 * row
        sheet.text(left, y, name.replace("_Global", " (mean)"), fontsize=7.5, va="center")
        sheet.text(left + 40, y, f"{said['value']:.1f}", fontsize=7.5, va="center", ha="right", weight="bold")
        sheet.text(left + 42, y, f"[{said['low']:.1f}, {said['high']:.1f}]", fontsize=7.5, va="center", color="0.3")
        sheet.text(left + 68, y, said["unit"], fontsize=7.5, va="center", color="0.3")
    if not shown:
        sheet.text(left, top - 8, "none in this release", fontsize=8, color="0.4")


def draw_bullseye(sheet: Axes, phenotypes: Mapping[str, Any], middle: tuple[float, float], radius: float) -> None:
    """Draw the wall thickness of the 16 AHA segments: base outside, apex inside, the anterior wall on top."""
    values = {k: phenotypes[f"WT_AHA_{k}"]["value"] for k in range(1, 17) if f"WT_AHA_{k}" in phenotypes}
    x, y = middle
    sheet.text(x, 73, "Wall thickness [mm], 16 AHA segments", fontsize=9.5, weight="bold", va="center", ha="center")
    if not values:
        sheet.text(x, 62, "none in this release", fontsize=8, color="0.4", ha="center")
        return
    from matplotlib import colormaps

    colors, norm = colormaps["YlGnBu"], Normalize(min(values.values()) - 1e-6, max(values.values()) + 1e-6)
    for first, count, start, width, outer in RINGS:
        for k in range(count):
            value, angle = values.get(first + k), start + width * k
            shade = "0.9" if value is None else colors(norm(value))
            ring: dict[str, Any] = {"width": radius / 3, "edgecolor": "white", "linewidth": 1.2}
            sheet.add_patch(Wedge(middle, radius * outer, angle, angle + width, facecolor=shade, **ring))
            at = np.deg2rad(angle + width / 2), radius * (outer - 1 / 6)
            dark = value is not None and norm(value) > 0.55
            text = "–" if value is None else f"{value:.1f}"
            place: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if dark else INK}
            sheet.text(x + at[1] * np.cos(at[0]), y + at[1] * np.sin(at[0]), text, fontsize=6.5, **place)
    for angle, name in ((90, "anterior"), (270, "inferior"), (180, "septal"), (0, "lateral")):
        at = np.deg2rad(angle)
        turn = {180: 90, 0: 270}.get(angle, 0)
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6.5, "color": "0.35", "rotation": turn}
        sheet.text(x + (radius + 2.5) * np.cos(at), y + (radius + 2.5) * np.sin(at), name, **style)

"""The exclusion flow as a CONSORT diagram: how many subjects there are, how many leave at each stage and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cmr2ecg.cohort.flow import KEPT, PRETRAINED_ON, Flow, read_flow
from cmr2ecg.report.figures.style import RC
from cmr2ecg.runtime.command import InputError

TITLES = {  # (step, what its reasons start with) -> who is left after it
    ("index_cohort", ""): "ECG and CMR at one imaging visit",
    ("assemble_dataset", "ECG"): "ECG passed quality control",
    ("assemble_dataset", "CMR"): "CMR passed quality control",
    ("assemble_dataset", ""): "Paired and in the tables: the data set",
}
ECG_IS_ENOUGH, WITH_ECG = "no visit asked for", "ECG at an imaging visit"  # a reason of the index, and its title then
ECGS_ALONE = "with an ECG file"  # the first reason of a cohort without images
TITLES_OF_ECGS = {("index_cohort", ""): "ECGs of the cohort", ("assemble_dataset", ""): "In the tables: the data set"}
SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}
LINE, PAD, GAP = 0.175, 0.14, 0.3  # inches: height of a line of text, margin in a box, space between boxes
BOX_HEIGHT, FORK, EDGE = 2 * LINE + 2 * PAD, 0.36, 0.1
MAIN_WIDTH, SIDE_WIDTH, SIDE_GAP = 3.1, 3.5, 0.45
SPLIT_WIDTH, SPLIT_GAP = 1.75, 0.25


@dataclass
class Stage:
    """Who is left after one stage, and the reasons with which the others left it."""

    title: str
    n: int
    excluded: list[tuple[str, int]] = field(default_factory=list)
    kept: bool = False  # whether the ECGs of those who left are kept for masked modelling

    @property
    def why(self) -> str:
        """What has become of those who left."""
        if self.kept:
            return "No image, ECG kept for masked modelling"
        return "Set aside" if all(reason == PRETRAINED_ON for reason, _ in self.excluded) else "Excluded"


def draw(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> Figure:
    """Return the figure; inputs: flow (flow.csv of assemble_dataset) and split (split.csv).

    Raises InputError if the splits do not add up to the subjects left in the flow.
    """
    (flow_path,), (split_path,) = inputs["flow"], inputs["split"]
    flow, splits = read_flow(flow_path), pd.read_csv(split_path, usecols=["split"])["split"].value_counts()
    if splits.sum() != flow.remaining:
        raise InputError(
            f"{split_path} holds {splits.sum()} subjects, {flow_path} ends with {flow.remaining}; "
            "run split_subjects again"
        )
    stages = flow_stages(flow)
    trunk = len(stages) * BOX_HEIGHT + (len(stages) - 1) * GAP + sum(_side_height(stage) for stage in stages)
    height = trunk + FORK + BOX_HEIGHT + 2 * EDGE
    with rc_context(RC):
        figure = Figure(figsize=(MAIN_WIDTH + SIDE_GAP + SIDE_WIDTH + 2 * EDGE, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, figure.get_figwidth()), ylim=(0, height))
        axes.set_axis_off()
        _draw_splits(axes, splits, _draw_stages(axes, stages, height - EDGE))
    return figure


def flow_stages(flow: Flow) -> list[Stage]:
    """Return the stages of a flow: rows of one step follow each other, ECG and CMR apart; reasons without cost go."""
    first_reason, first_count = flow.rows[0][1], flow.rows[0][2]
    stages = [
        Stage(f"Subjects {first_reason}" if flow.rows[0][2] == flow.rows[0][3] else "Subjects found", first_count)
    ]
    last = None
    titles = TITLES | (TITLES_OF_ECGS if first_reason == ECGS_ALONE else {})
    for step, reason, n_in, n_out in flow.rows:
        modality, _, rest = reason.partition(": ")
        key, shown = ((step, modality), rest) if modality in ("ECG", "CMR") else ((step, ""), reason)
        if key != last:
            stages.append(Stage(titles.get(key, f"After {step.replace('_', ' ')}"), n_out))
            last = key
        stages[-1].n = n_out
        if reason == ECG_IS_ENOUGH and first_reason != ECGS_ALONE:
            stages[-1].title = WITH_ECG
        if n_in > n_out:
            stages[-1].excluded.append((shown.removesuffix(KEPT), n_in - n_out))
            stages[-1].kept = shown.endswith(KEPT)
    return stages


def _side_height(stage: Stage) -> float:
    """Return the height of the box of the excluded, which is between two boxes of the trunk; 0 for none."""
    return LINE * (1 + len(stage.excluded)) + 2 * PAD if stage.excluded else 0.0


def _draw_stages(axes: Axes, stages: list[Stage], top: float) -> float:
    """Draw the trunk from `top` down with a side box for those who left before each stage; return the last edge."""
    middle, edge = EDGE + MAIN_WIDTH / 2, top
    for place, stage in enumerate(stages):
        if place:
            side = _side_height(stage)
            top = edge - GAP - side
            _arrow(axes, (middle, edge), (middle, top))
            if side:
                left = EDGE + MAIN_WIDTH + SIDE_GAP
                row = edge - GAP / 2 - side / 2
                _arrow(axes, (middle, row), (left, row))
                lines = [f"{stage.why} (n = {sum(count for _, count in stage.excluded):,})"]
                lines += [f"   {reason} (n = {count:,})" for reason, count in stage.excluded]
                _box(axes, left, row + side / 2, SIDE_WIDTH, side, "\n".join(lines), align="left")
        _box(axes, EDGE, top, MAIN_WIDTH, BOX_HEIGHT, f"{stage.title}\nn = {stage.n:,}")
        edge = top - BOX_HEIGHT
    return edge


def _draw_splits(axes: Axes, splits: pd.Series, edge: float) -> None:
    """Draw the three splits side by side under the trunk."""
    middle, total = EDGE + MAIN_WIDTH / 2, splits.sum()
    bar, top = edge - FORK / 2, edge - FORK
    axes.plot([middle, middle], [edge, bar], color="black", linewidth=0.9)
    centres = [EDGE + SPLIT_WIDTH / 2 + number * (SPLIT_WIDTH + SPLIT_GAP) for number in range(len(SPLITS))]
    axes.plot([centres[0], centres[-1]], [bar, bar], color="black", linewidth=0.9)
    for centre, (name, title) in zip(centres, SPLITS.items(), strict=True):
        n = int(splits.get(name, 0))
        _arrow(axes, (centre, bar), (centre, top))
        _box(
            axes,
            centre - SPLIT_WIDTH / 2,
            top,
            SPLIT_WIDTH,
            BOX_HEIGHT,
            f"{title}\nn = {n:,} ({n / total:.1%})",
            "0.93",
        )


def _box(
    axes: Axes,
    left: float,
    top: float,
    width: float,
    height: float,
    text: str,
    face: str = "white",
    align: Literal["left", "center"] = "center",
) -> None:
    axes.add_patch(Rectangle((left, top - height), width, height, facecolor=face, edgecolor="black", linewidth=0.9))
    x = left + (width / 2 if align == "center" else PAD)
    axes.text(x, top - height / 2, text, ha=align, va="center", linespacing=1.35)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    axes.annotate("", end, start, arrowprops=arrow)

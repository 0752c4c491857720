"""What a pre-training is worth by the number of labelled subjects: test scores of ECG encoders, a panel a target.

A row for diseases and one for groups of phenotypes; those that were learnt from one number alone are not drawn. Lines
are fine-tuned encoders, dashed ones linear probes of them when frozen, the dotted one trees without an ECG.
Encoders of images and ablations are not drawn. Figure 5 is the paper's; here are probes and phenotypes too.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.figures.figure_5 import DODGE, size_ticks
from cmr2ecg.report.figures.style import MODELS as STYLE
from cmr2ecg.report.figures.style import RC, light_grid
from cmr2ecg.report.tables.names import DISEASES, MODELS, TARGETS
from cmr2ecg.report.tables.table_layouts import in_order

LINES: dict[str, LineStyleType] = {"finetune": "-", "probe": (0, (4, 2)), "train_tabular": (0, (1, 1.5))}
KINDS = {"finetune": "fine-tuned", "probe": "linear probe", "train_tabular": "trees without an ECG"}
LOOKS = {"random": ("#999999", "d")} | {name: look[:2] for name, look in STYLE.items() if not name.startswith("cmr_")}
CONTRAST = {"mmcl": 0.14, "supervised": 0.14}  # opacity of the intervals that are compared first; of others FAINT
FAINT = 0.05
ROWS = {"auroc": ("Test ROC AUC [%]", 100.0), "r": ("Test r, mean of the group", 1.0)}
NARROWEST, ENTRY = 5.9, 1.9  # inches: of the figure with its label below, and of a column of the legend
NOTHING = "No target was learnt from several numbers of subjects."


def draw(settings: dict[str, Any], inputs: dict[str, list[Path]]) -> Figure:
    """Return the figure; inputs: {"intervals": [intervals.csv of evaluate], "untrained": [its untrained.csv]}.

    Shaded regions are 95 % intervals. A white ring is a model that was not trained. Where no target has several sizes,
    as when all small fits were skipped, the figure says so.
    """
    table = scored(inputs["intervals"][0], inputs["untrained"][0])
    rows = {metric: targets for metric in ROWS if (targets := targets_of(table[table["metric"] == metric]))}
    with rc_context(RC):
        if not rows:
            figure = Figure(figsize=(4.6, 1.2))
            figure.text(0.5, 0.5, NOTHING, ha="center", va="center", size=9)
            return figure
        columns = max(map(len, rows.values()))
        width = max(2.9 * columns + 0.6, NARROWEST)
        figure = Figure(figsize=(width, 2.9 * len(rows) + 1.1), layout="constrained")
        grid = figure.subplots(len(rows), columns, sharey="row", squeeze=False)
        for panels, (metric, targets) in zip(grid, rows.items(), strict=True):
            for panel, target in zip(panels, targets, strict=False):
                _panel(panel, table[table["target"] == target], ROWS[metric][1])
                panel.set_title(DISEASES[target] if metric == "auroc" else TARGETS[target])
            for panel in panels[len(targets) :]:
                panel.set_axis_off()
            panels[0].set_ylabel(ROWS[metric][0])
        figure.supxlabel("Labelled training subjects (share of all that a target has)", fontsize=9)
        figure.legend(handles=_legend(table), loc="outside upper center", ncols=int(width // ENTRY), handlelength=3.0)
    return figure


def scored(intervals: Path, untrained: Path) -> pd.DataFrame:
    """Return the rows of intervals.csv that can be drawn, with `ring`: whether untrained.csv lists the model."""
    table = pd.read_csv(intervals).dropna(subset=["mean", "n_train"])
    for column, known in (("fit", LINES), ("encoder", LOOKS), ("metric", ROWS)):
        table = table[table[column].isin(list(known))]
    listed = set(pd.read_csv(untrained)[MODEL_COLUMNS].itertuples(index=False, name=None))
    rings = [model in listed for model in table[MODEL_COLUMNS].itertuples(index=False, name=None)]
    return table.assign(ring=pd.Series(rings, index=table.index, dtype=bool))


def targets_of(table: pd.DataFrame) -> list[str]:
    """Return the targets with scores at several numbers of subjects, in the paper's order, others behind."""
    sizes = table.groupby("target", sort=False)["n_train"].nunique()
    found = [target for target, count in sizes.items() if count > 1]
    return [target for target in in_order(table["target"]) if target in found]


def _panel(axes: Axes, table: pd.DataFrame, scale: float) -> None:
    """Draw one target: a line with its shaded interval an encoder and kind of fit; neighbours a little apart."""
    axes.set_xscale("log")
    encoders = [name for name in LOOKS if name in set(table["encoder"])]
    for _, rows in table.groupby(["fit", "encoder"]):
        fit, encoder = rows.iloc[0][["fit", "encoder"]]
        rows = rows.sort_values(["n_train", "fraction"])
        colour, marker = LOOKS[encoder]
        sizes = rows["n_train"].to_numpy(float) * DODGE ** (encoders.index(encoder) - (len(encoders) - 1) / 2)
        scores, tuned = scale * rows[["mean", "low", "high"]], fit == "finetune"
        axes.fill_between(
            sizes, scores["low"], scores["high"], color=colour, alpha=CONTRAST.get(encoder, FAINT), linewidth=0
        )
        wide = 2.2 if encoder == "mmcl" else 1.2
        axes.plot(
            sizes,
            scores["mean"],
            color=colour,
            linestyle=LINES[fit],
            marker=marker,
            linewidth=wide if tuned else 0.7 * wide,
            markersize=5 if tuned else 3.5,
            label=f"{fit}/{encoder}",
            zorder=3 if encoder == "mmcl" else 2,
        )
        ring = rows["ring"].to_numpy()
        if ring.any():
            axes.plot(
                *(sizes[ring], scores["mean"][ring]),
                marker="o",
                linestyle="none",
                color=colour,
                markerfacecolor="white",
                zorder=4,
            )
    size_ticks(axes, table)
    light_grid(axes)


def _legend(table: pd.DataFrame) -> list[Line2D]:
    """Return an entry an encoder, then one a kind of line, and the ring where there is one."""
    found = set(table["encoder"])
    encoders = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=MODELS[name])
        for name, (colour, marker) in reversed(LOOKS.items())
        if name in found
    ]
    kinds = [
        Line2D([], [], color="0.3", linestyle=LINES[fit], label=KINDS[fit]) for fit in KINDS if fit in set(table["fit"])
    ]
    ring = Line2D([], [], color="0.3", marker="o", markerfacecolor="white", linestyle="none", label="not trained")
    return [*encoders, *kinds, *[ring] * bool(table["ring"].any())]

"""Figure 5: test AUROC against the number of subjects a model was fine-tuned on, one panel a disease (§V-D)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.report.figures.style import MODELS as STYLE
from cmr2ecg.report.figures.style import RC, light_grid
from cmr2ecg.report.tables.cells import FITS
from cmr2ecg.report.tables.names import DISEASES, MODELS
from cmr2ecg.report.tables.table_layouts import in_order
from cmr2ecg.runtime.command import InputError

MARGIN = 2.0  # percentage points of AUROC left free above and below the lines
DODGE = 1.035  # neighbouring models are drawn this factor apart in size, so that their markers do not hide each other
PANELS = 4  # side by side at most
FEW = 5  # with so many models or fewer each interval gets an edge; edges of a dozen would be a thicket


def draw(settings: dict[str, Any], inputs: dict[str, list[Path]]) -> Figure:
    """Return the figure; inputs: {"intervals": [intervals.csv of evaluate], "untrained": [its untrained.csv]}.

    Lines are means over seeds at the same sizes for every model, drawn a little apart; shaded regions are the 95 %
    intervals over subjects and training runs. All panels share the AUROC axis. The paper's diseases come first, then
    one's own by name. A white ring is a model that was not trained; without untrained.csv there is none.
    Raises InputError if no model has an AUROC on a disease, or the training sizes are absent.
    """
    (path,) = inputs["intervals"]
    table = pd.read_csv(path)
    if "fit" in table:
        table = table[table["fit"].isin(FITS)]  # neither linear probes nor stacks are models of the paper
    table = table[table["metric"] == "auroc"].dropna(subset=["mean"])
    if table.empty:
        raise InputError(f"{path}: no AUROC on any disease, so there is nothing to draw in figure 5")
    table["ring"] = _untrained(table, inputs.get("untrained", []))
    if table["n_train"].isna().any():
        raise InputError(f"{path}: n_train is empty; run the step evaluate with --results")
    targets = [target for target in in_order(table["target"]) if target in set(table["target"])]
    encoders = [encoder for encoder in STYLE if encoder in set(table["encoder"])]
    with rc_context(RC):
        figure = Figure(layout="constrained")
        grid = _grid(figure, len(targets))
        panels = [panel for row in grid for panel in row]
        for panel, target in zip(panels, targets, strict=True):
            _panel(panel, table[table["target"] == target], encoders)
            panel.set_title(DISEASES[target])
        panels[0].set_ylim(*_limits(table))
        for row in grid:
            row[0].set_ylabel("Test ROC AUC [%]")
        # Beside the last panel of a shorter row the word would push the columns apart.
        last = grid[0][-1]
        last.annotate("chance", (1.01, 50), xycoords=("axes fraction", "data"), va="center", size=7, color="0.4")
        figure.supxlabel("Fine-tuning subjects (share of the whole set)", fontsize=9)
        handles = {line.get_label(): line for panel in panels for line in panel.get_lines()}
        names = [MODELS[encoder] for encoder in reversed(encoders)]
        figure.legend([handles[name] for name in names], names, loc="outside upper center", ncols=4, handlelength=3.6)
    return figure


def _grid(figure: Figure, count: int) -> list[list[Axes]]:
    """Return `count` panels by rows as equal as can be, and give the figure its size."""
    rows = -(-count // PANELS)
    columns = -(-count // rows)
    figure.set_size_inches(3.4 * columns + 0.6, 4.0 * rows + 0.6)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for empty in grid.ravel()[count:]:
        empty.remove()
    return [list(row[: count - columns * place]) for place, row in enumerate(grid)]


def _panel(axes: Axes, table: pd.DataFrame, encoders: list[str]) -> None:
    """Draw one disease: a line, markers and a shaded interval a model over a logarithmic axis."""
    axes.set_xscale("log")
    for place, encoder in enumerate(encoders):
        rows = table[table["encoder"] == encoder].sort_values(["n_train", "fraction"])
        if rows.empty:
            continue
        colour, marker, line = STYLE[encoder]
        sizes = rows["n_train"].to_numpy(float) * DODGE ** (place - (len(encoders) - 1) / 2)
        low, high = 100 * rows["low"], 100 * rows["high"]
        axes.fill_between(sizes, low, high, color=colour, alpha=0.08, linewidth=0)
        for edge in (low, high) if len(encoders) <= FEW else ():  # whose region it is where several overlap
            axes.plot(sizes, edge, color=colour, linestyle=line, linewidth=0.6, alpha=0.45, zorder=1.5)
        axes.plot(
            sizes,
            100 * rows["mean"],
            color=colour,
            marker=marker,
            linestyle=line,
            linewidth=2.4 if encoder == "mmcl" else 1.2,
            markersize=8 if marker == "*" else 5.5,
            markeredgecolor="white" if marker not in "x+" else colour,
            markeredgewidth=0.5 if marker not in "x+" else 1.5,
            label=MODELS[encoder],
            zorder=3 if encoder == "mmcl" else 2,
        )
        ring = rows["ring"].to_numpy()
        if ring.any():
            axes.plot(sizes[ring], 100 * rows["mean"][ring], "o", color=colour, markerfacecolor="white", zorder=4)
    if table["ring"].any():
        axes.annotate("ring: not trained", (0.98, 0.02), xycoords="axes fraction", ha="right", size=7, color="0.4")
    axes.axhline(50, color="0.55", linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    size_ticks(axes, table)
    light_grid(axes)


def _untrained(table: pd.DataFrame, paths: list[Path]) -> pd.Series:
    """Return which rows of `table`, without probes, are models that untrained.csv lists."""
    key = ["encoder", "target", "fraction"]
    listed = {row for path in paths for row in pd.read_csv(path).query("fit != 'probe'")[key].itertuples(index=False)}
    return pd.Series([row in listed for row in table[key].itertuples(index=False)], index=table.index, dtype=bool)


def size_ticks(axes: Axes, table: pd.DataFrame) -> None:
    """Label the real training sizes, each with its share in percent; half a decade stays free at both ends."""
    shares = table.groupby("n_train")["fraction"].unique()
    sizes = shares.index.to_numpy(float)
    labels = [f"{size:,.0f}\n{', '.join(map(str, sorted(share)))} %" for size, share in shares.items()]
    axes.set_xticks(sizes, labels)
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes.min() / 1.6, sizes.max() * 1.6)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits of the AUROC axis in percent that hold every interval and the chance line."""
    low = np.nanmin(100 * table[["low", "mean"]].to_numpy())
    high = np.nanmax(100 * table[["high", "mean"]].to_numpy())
    return max(0.0, min(low, 50.0) - MARGIN), min(100.0 + MARGIN, max(high, 50.0) + MARGIN)

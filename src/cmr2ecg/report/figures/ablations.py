"""What MMCL depends on: scores of linear probes against each setting that the config's ablations vary.

A column a setting: number of training pairs, mask ratio, temperature tau, weight lambda of equation 6. Ablations that
change several things at once, or none of these, are not drawn. Those of fewer epochs than MMCL are compared with the
ablation that changes the epochs alone.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmr2ecg.report.figures.style import RC, light_grid
from cmr2ecg.report.tables.names import DISEASES, TARGETS
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.ablations import references, varied
from cmr2ecg.study.targets import PHENOTYPE_GROUPS

WHOLE = 100  # percent of the training subjects that the probes are fitted on
# where a setting is in an ablation -> its axis, and whether that is logarithmic
AXES = {
    ("pairs",): ("Training pairs", True),
    ("mae", "mask_ratio"): ("Mask ratio of the MDM", False),
    ("mmcl", "temperature"): ("Temperature τ", True),
    ("mmcl", "image_weight"): ("Weight λ of the image's terms", False),
}
ROWS = {"r": ("Mean r of a group's phenotypes", PHENOTYPE_GROUPS), "auroc": ("ROC AUC [%]", tuple(DISEASES))}
# Okabe and Ito's colours again, each with a marker and a line of its own
LOOKS = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", (0, (5, 2))),
    ("#009E73", "^", (0, (3, 1.5))),
    ("#CC79A7", "D", (0, (3, 1, 1, 1))),
    ("#E69F00", "v", (0, (6, 1.5, 1, 1.5))),
)


def draw(settings: dict[str, Any], inputs: dict[str, list[Path]]) -> Figure:
    """Return the figure.

    Args:
        settings: `ablations` as in the config, `base` the config's values by the names in AXES.
        inputs: {"intervals": [intervals.csv of evaluate], "result": [result.json of MMCL]}.

    Raises:
        InputError: if no ablation varies one of these settings alone.
    """
    intervals = pd.read_csv(inputs["intervals"][0])
    pairs = json.loads(inputs["result"][0].read_text())["n_train"]
    curves = varied(settings["ablations"], {**settings["base"], "pairs": pairs})
    if not curves:
        raise InputError("ablations: none varies pairs, mae.mask_ratio, mmcl.temperature or mmcl.image_weight alone")
    own = set(references(settings["ablations"]).values())
    probes = intervals[(intervals["fit"] == "probe") & (intervals["fraction"] == WHOLE)]
    with rc_context(RC):
        figure = Figure(figsize=(2.9 * len(curves) + 1.2, 5.2), layout="constrained")
        grid = figure.subplots(len(ROWS), len(curves), sharey="row", sharex="col", squeeze=False)
        for row, (label, targets) in zip(grid, ROWS.values(), strict=True):
            for axes, (name, values) in zip(row, curves.items(), strict=True):
                _panel(axes, probes, targets, values, own, logarithmic=AXES[name][1])
            row[0].set_ylabel(label)
            handles, names = row[-1].get_legend_handles_labels()
            row[-1].legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for axes, (name, values) in zip(grid[-1], curves.items(), strict=True):
            axes.set_xlabel(AXES[name][0])
            axes.set_xticks([*values.values()], [f"{value:g}" for value in values.values()])
            axes.set_xticks([], minor=True)
    return figure


def _panel(
    axes: Axes,
    probes: pd.DataFrame,
    targets: tuple[str, ...],
    values: Mapping[str, float],
    references: Collection[str],
    *,
    logarithmic: bool,
) -> None:
    """Draw a line with its 95 % interval a target; MMCL's own value is a filled marker, the others are open."""
    if logarithmic:
        axes.set_xscale("log")
    for target, (colour, marker, line) in zip(targets, LOOKS, strict=False):
        rows = probes[probes["target"] == target].set_index("encoder").reindex(list(values)).dropna(subset=["mean"])
        scale = 100 if target in DISEASES else 1
        x = [values[encoder] for encoder in rows.index]
        axes.fill_between(x, scale * rows["low"], scale * rows["high"], color=colour, alpha=0.12, linewidth=0)
        axes.plot(
            x,
            scale * rows["mean"],
            color=colour,
            linestyle=line,
            marker=marker,
            markerfacecolor="white",
            markevery=[place for place, encoder in enumerate(rows.index) if encoder not in references],
            label=TARGETS[target],
        )
        own = rows[rows.index.isin(list(references))]
        axes.plot(
            [values[encoder] for encoder in own.index],
            scale * own["mean"],
            color=colour,
            marker=marker,
            linestyle="none",
        )
    light_grid(axes)

"""One look for all figures: colours told apart by colour-blind readers, markers and lines told apart in grey."""

from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

RC: dict["RcKeyType", Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that a figure looks the same on every machine
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "pdf.fonttype": 42,  # text stays text
}

# Okabe and Ito's palette (2008), colour, marker, line: the same for a model in every figure. Their yellow is lost on
# white paper and in grey; Tol's wine stands for it, and his indigo is the ninth.
MODELS = {
    "tabular": ("#7F7F7F", "x", (0, (1, 1.5))),
    "supervised": ("#000000", "s", (0, (5, 2))),
    "supervised_cnn": ("#332288", "p", (0, (5, 2))),
    "simclr": ("#882255", "v", (0, (3, 1, 1, 1))),
    "clocs": ("#56B4E9", "<", (0, (3, 1, 1, 1))),
    "byol": ("#CC79A7", ">", (0, (3, 1, 1, 1))),
    "barlow_twins": ("#E69F00", "P", (0, (3, 1, 1, 1))),
    "mae": ("#009E73", "^", (0, (6, 1.5, 1, 1.5))),
    "mmcl_without_mdm": ("#0072B2", "D", (0, (3, 1.5))),
    "mmcl": ("#D55E00", "o", "-"),
    "cmr_supervised": ("#000000", "*", (0, (1, 1))),
    "cmr_mmcl_without_mdm": ("#0072B2", "*", (0, (1, 1))),
    "cmr_mmcl": ("#D55E00", "*", (0, (1, 1))),
}


def light_grid(axes: Axes) -> None:
    """Draw faint horizontal lines behind the data."""
    axes.grid(axis="y", color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)

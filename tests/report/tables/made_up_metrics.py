"""metrics.csv of made-up models, and one of the paper's tables of them in each format."""

import pandas as pd

from cmr2ecg.report.tables.cells import make_cells
from cmr2ecg.report.tables.formats import latex, markdown, page
from cmr2ecg.report.tables.paper_table import paper_table
from cmr2ecg.report.tables.table_layouts import LAYOUTS, with_own_diseases


def metrics(values: dict[str, list[float]], targets=("cad", "af", "dm")) -> pd.DataFrame:
    """Return metrics.csv with {encoder: AUROC by seed} for every target, and rows that a table must not use."""
    rows = [
        (encoder, target, 100, seed, "test", "auroc", value, 6007, 438)
        for encoder, by_seed in values.items()
        for target in targets
        for seed, value in enumerate(by_seed)
    ]
    rows += [("mmcl", "cad", 10, 0, "test", "auroc", 0.99, 6007, 438)]
    rows += [("mmcl", "cad", 100, 0, "val", "auroc", 0.99, 6007, 438)]
    columns = ["encoder", "target", "fraction", "seed", "split", "metric", "value", "n", "n_positive"]
    table = pd.DataFrame(rows, columns=columns)
    fit = table["encoder"].map({"tabular": "train_tabular"}).fillna("finetune")
    return table.assign(fit=fit, output=table["target"])


def of_layout(layout) -> pd.DataFrame:
    """Return metrics.csv in which every model of a table was run and the last that competes is best."""
    names = [row.encoder for row in layout.rows if not row.reference]
    values = {name: [0.6, 0.62] for name in names} | {names[-1]: [0.74, 0.76], "reference": [0.9, 0.9]}
    table = metrics(values, layout.targets).assign(metric=layout.metric)
    return table.assign(output="mean") if layout.metric == "r" else table


FULL = {
    "supervised": [0.66, 0.68],
    "mae": [0.71, 0.73],
    "mmcl_without_mdm": [0.70, 0.71],
    "mmcl": [0.74, 0.76],
}


SKIPPED = pd.DataFrame(columns=["fit", "encoder", "target", "fraction", "reason"])
OWN = ("hf", "cad", "af", "dm", "copd")


def with_own(number, table, skipped=SKIPPED):
    layout = with_own_diseases(LAYOUTS[number], table, skipped)
    return layout, make_cells(layout, table, skipped)


def to_markdown(layout, cells, cohort="demo"):
    return markdown(paper_table(layout, cells, cohort))


def to_latex(layout, cells, cohort="demo"):
    return latex(paper_table(layout, cells, cohort))


def to_html(layout, cells, cohort="demo"):
    return page("Table", {"": paper_table(layout, cells, cohort)})

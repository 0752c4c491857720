"""Every fine-tuned encoder and the tabular model on every target, at each size of the training set."""

import pandas as pd

from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DASH, Daggers, Sheet, Tables, interval, scaled
from cmr2ecg.report.tables.table_layouts import in_order

FITS = ("finetune", "train_tabular")


def fine_tuned(tables: Tables) -> Sheet:
    """Return a row a model and share of the training labels, a column a target, all labels first."""
    data = tables["intervals"]
    data = data[data["fit"].isin(FITS)].sort_values("fraction", ascending=False, kind="stable")
    targets = [target for target in in_order(data["target"]) if target in {*data["target"]}]
    rows, daggers = [], Daggers(tables)
    for _, models in data.groupby(["fraction", "fit", "encoder"], sort=False):
        fraction, fit, encoder = models.iloc[0][["fraction", "fit", "encoder"]]
        by_target = {row["target"]: row for _, row in models.iterrows()}
        cells = [
            _cell(by_target[name]) + daggers(fit, encoder, name, fraction) if name in by_target else DASH
            for name in targets
        ]
        rows.append([f"{fraction} %", MODELS[encoder], *cells])
    title = (
        "Every model trained on labels, by the share of them: ROC AUC in percent, or mean r for phenotype groups, on "
        "the test split, mean over seeds with the 95 % interval over subjects and training runs."
    )
    return Sheet(title, ["Labels", "Model", *(TARGETS[name] for name in targets)], rows, data, left=2)


def _cell(row: pd.Series) -> str:
    return interval(scaled(row, ("mean", "low", "high")), digits=1 if row["metric"] == "auroc" else 2)

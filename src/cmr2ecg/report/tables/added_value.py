"""The table of what an ECG adds to age, sex, weight and height, from the tables of the step evaluate."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.metrics.predictions import STACKED, TABULAR, TABULAR_ALONE, WITH_TABULAR, Key
from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DASH, WHOLE, Daggers, Sheet, Tables, interval, p_value, scaled
from cmr2ecg.report.tables.table_layouts import in_order
from cmr2ecg.study.targets import is_regression

MEASURED = ("mean", "low", "high")
COMPARED = ("difference", "low", "high", "p_value", "p_value_holm")
TITLE = (
    "What the ECG adds to age, sex, weight and height: ROC AUC in percent or mean r on the test split with 95 % "
    "intervals. Trees: the tabular model (XGBoost). Tabular alone: regression on the covariates and the trees' output, "
    "fitted on the validation split. ECG + tabular: the same with the ECG model's output as a further column. Added: "
    "ECG + tabular minus tabular alone (percentage points, or r), with the two-sided p-value corrected by Holm's "
    "method over the ECG models of a target; then ECG + tabular minus the trees."
)
HEAD = (
    *("Target", "ECG model", "Trees", "Tabular alone", "ECG alone", "ECG + tabular"),
    *("Added [95 %]", "p, Holm", "Over trees [95 %]"),
)
PAIR = [*MODEL_COLUMNS, "other_fit", "other_encoder"]


def added_value(tables: Tables) -> Sheet:
    """Return every fine-tuned ECG encoder alone and with the tabular side; the csv holds all training sets."""
    found, reasons = tables["intervals"], tables["skipped"]
    keys = [*_keys(found), *_keys(reasons)]
    measured, compared = by_model(found, MODEL_COLUMNS), by_model(tables["comparisons"], PAIR)
    notes = {key: row["reason"] for key, row in by_model(reasons, MODEL_COLUMNS).items()}
    targets = in_order(key[2] for key in keys)
    keys.sort(key=lambda key: (targets.index(key[2]), -key[3]))
    records = [_record(key, measured, compared) | {"note": notes.get(key, "")} for key in keys]
    data, daggers = pd.DataFrame(records, columns=_columns()), Daggers(tables)
    shown = [row for row in data.to_dict("records") if row["fraction"] == WHOLE]
    missing = dict.fromkeys(f" {TARGETS[row['target']]} was not fitted: {row['note']}." for row in shown if row["note"])
    return Sheet(TITLE + "".join(missing), HEAD, [_line(row, daggers) for row in shown], data, left=2)


def by_model(table: pd.DataFrame, columns: list[str]) -> dict[tuple, dict]:
    """Return the rows of a table by the values of some columns."""
    return {tuple(row[name] for name in columns): row for row in table.to_dict("records")}


def _keys(table: pd.DataFrame) -> list[Key]:
    """Return the stacks of a table that hold an ECG."""
    rows = table[(table["fit"] == STACKED) & (table["encoder"] != TABULAR_ALONE)]
    return list(rows[MODEL_COLUMNS].itertuples(index=False, name=None))


def _members(key: Key) -> dict[str, Key]:
    """Return the models that a stack is set beside, by what the csv calls them."""
    _, encoder, target, fraction = key
    return {
        "trees": ("train_tabular", TABULAR, target, fraction),
        "tabular": (STACKED, TABULAR_ALONE, target, fraction),
        "ecg": ("finetune", encoder.removesuffix(WITH_TABULAR), target, fraction),
    }


def _columns() -> list[str]:
    """Return the columns of the csv."""
    members = _members(("", "", "", 0))
    return [
        *(*MODEL_COLUMNS, "metric"),
        *(f"{name}_{what}" for name in (*members, "stacked") for what in MEASURED),
        *(f"over_{name}_{what}" for name in members for what in COMPARED),
        "note",
    ]


def _record(key: Key, measured: Mapping[tuple, dict], compared: Mapping[tuple, dict]) -> dict[str, object]:
    """Return a stack's numbers, its members', and its differences to them; NaN where there is none."""
    record = dict(zip(MODEL_COLUMNS, key, strict=True))
    for name, model in {**_members(key), "stacked": key}.items():
        record |= {f"{name}_{what}": measured.get(model, {}).get(what, np.nan) for what in MEASURED}
    for name, model in _members(key).items():
        row = compared.get((*key, *model[:2]), {})
        record |= {f"over_{name}_{what}": row.get(what, np.nan) for what in COMPARED}
    return record | {"metric": "r" if is_regression(key[2]) else "auroc"}


def _line(row: Mapping[Hashable, Any], daggers: Daggers) -> list[str]:
    """Return what is printed of a record."""
    target, encoder = row["target"], row["encoder"].removesuffix(WITH_TABULAR)
    digits = 1 if row["metric"] == "auroc" else 3
    cells = [
        interval(scaled(row, [f"{name}_{what}" for what in MEASURED]), digits)
        for name in ("trees", "tabular", "ecg", "stacked")
    ]
    added, over_trees = (
        interval(scaled(row, [f"over_{name}_{what}" for what in COMPARED[:3]]), sign="+")
        for name in ("tabular", "trees")
    )
    mark = daggers("finetune", encoder, target, row["fraction"])
    cells[0] += daggers("train_tabular", TABULAR, target, row["fraction"]) * (cells[0] != DASH)
    cells[2:] = [cell + mark * (cell != DASH) for cell in cells[2:]]
    p = p_value(row["over_tabular_p_value_holm"])
    return [TARGETS[target], MODELS[encoder] + mark, *cells, added, p, over_trees]

"""The table of what models know of the heart beyond age, sex and body size, from the tables of the step evaluate."""

import pandas as pd

from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.metrics.scores import MODEL_COLUMNS, REFERENCE
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import WHOLE, Daggers, Sheet, Tables, interval, p_value

AHEAD = {name: f"ahead_{name}" for name in ("difference", "low", "high", "p_value", "p_value_holm")}
TITLE = (
    "Partial correlation of phenotype and prediction given age, sex, weight and height, averaged over a group, on the "
    "test split with 95 % intervals; and MMCL's less the model's with its two-sided p-value, corrected by Holm's "
    "method within a target. The csv has linear probes and smaller training sets too."
)
HEAD = ["Target", "Model", "Partial r [95 %]", "MMCL minus this [95 %]", "p, Holm"]


def beyond_body(tables: Tables) -> Sheet:
    """Return r of phenotypes less what age, sex and body size explain, and how far MMCL is ahead of each model."""
    analyses, daggers, rows = tables["analyses"], Daggers(tables), []
    own = analyses[analyses["analysis"] == "adjusted"]
    data = own.merge(ahead(tables["adjusted_comparisons"]), on=MODEL_COLUMNS, how="left")
    for _, row in data[(data["fit"] != "probe") & (data["fraction"] == WHOLE)].iterrows():
        mark = daggers(fit_of(row["encoder"]), row["encoder"], row["target"], WHOLE)
        own_r = interval(row[["mean", "low", "high"]], digits=3)
        less = interval(row[list(AHEAD.values())[:3]], digits=3, sign="+")
        p = p_value(row[AHEAD["p_value_holm"]])
        rows.append([TARGETS[row["target"]], MODELS[row["encoder"]] + mark, own_r, less, p])
    return Sheet(TITLE, HEAD, rows, data, left=2)


def ahead(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return MODEL_COLUMNS and AHEAD: the reference less each model of its kind of fit."""
    family = comparisons["family"]  # empty, in a file missing: a pair that is compared for another reason
    listed = family.notna() & (family != "") & (comparisons["encoder"] == REFERENCE)
    rows = comparisons[listed].drop(columns=["fit", "encoder"])
    rows = rows.rename(columns={"other_fit": "fit", "other_encoder": "encoder"} | AHEAD)
    return rows[[*MODEL_COLUMNS, *AHEAD.values()]]

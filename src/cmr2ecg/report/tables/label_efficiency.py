"""The gain of a pre-training by the number of labelled subjects: each ECG encoder minus those trained from scratch."""

import pandas as pd

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DASH, Daggers, Sheet, Tables, interval, scaled
from cmr2ecg.report.tables.table_layouts import in_order
from cmr2ecg.study.encoders import FROM_SCRATCH, PRETRAINED_ECG

COLUMNS = ["target", "fraction", "n_train", "fit", "encoder", "other_fit", "other_encoder", "metric"]
SIZES = ("n_train", "fraction")
KINDS = {"finetune": "", "probe": ", probe"}


def label_efficiency(tables: Tables) -> Sheet:
    """Return the difference to supervised encoders at each size of the training set, for fine-tuning and probes."""
    data = gains(tables["comparisons"], tables["intervals"])
    others = [name for name in FROM_SCRATCH if name in set(data["other_encoder"])]
    rows, daggers = [], Daggers(tables)
    for _, pairs in data.groupby(COLUMNS[:5], sort=False):
        target, fraction, n_train, fit, encoder = pairs.iloc[0][COLUMNS[:5]]
        cells = dict.fromkeys(others, DASH)
        for _, pair in pairs.iterrows():
            gain = interval(scaled(pair, ("difference", "low", "high")), sign="+")
            cells[pair["other_encoder"]] = gain + daggers("finetune", pair["other_encoder"], target, fraction)
        model = MODELS[encoder] + KINDS[fit] + daggers(fit, encoder, target, fraction)
        rows.append([TARGETS[target], f"{n_train:,} ({fraction} %)", model, *cells.values()])
    title = (
        "Gain of each pre-trained ECG encoder, fine-tuned or as a linear probe, over encoders fine-tuned from random "
        "weights, by the number of labelled training subjects: difference on the test split (percentage points of ROC "
        "AUC, or r) with its 95 % interval. A dagger at a difference is that of the encoder from random weights."
    )
    head = ["Target", "Labelled", "Encoder", *(f"minus {MODELS[name]}" for name in others)]
    return Sheet(title, head, rows, data, left=3)


def gains(comparisons: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS, difference, low, high of pre-trained encoders minus those from scratch, small sets first.

    Args:
        comparisons, intervals: tables of the step evaluate; the second knows the sizes of the training sets.
    """
    pairs = comparisons[comparisons["encoder"].isin(PRETRAINED_ECG) & comparisons["other_encoder"].isin(FROM_SCRATCH)]
    pairs = pairs[pairs["fit"].isin(list(KINDS)) & (pairs["other_fit"] == "finetune")]
    sizes = intervals[[*MODEL_COLUMNS, "n_train"]].astype({"n_train": "Int64"})
    found = pairs.merge(sizes, on=MODEL_COLUMNS)
    ranked = [*in_order(found["target"]), *KINDS, *PRETRAINED_ECG, *FROM_SCRATCH]
    order = {name: place for place, name in enumerate(ranked)}
    found = found.sort_values(
        ["target", "fit", "encoder", *SIZES, "other_encoder"],
        key=lambda column: column if column.name in SIZES else column.map(order),
        kind="stable",
    )
    return found[[*COLUMNS, "difference", "low", "high"]].reset_index(drop=True)

"""The gain of a pre-training by the number of labels: which pairs, in which order, with whose daggers."""

import pandas as pd
import pytest

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.label_efficiency import COLUMNS, label_efficiency
from cmr2ecg.report.tables.names import TARGETS
from cmr2ecg.report.tables.table_layouts import own_diseases

NO_ONE = pd.DataFrame(columns=MODEL_COLUMNS)
KEYS = ["target", "fraction", "fit", "encoder", "other_fit", "other_encoder", "metric"]
OWN = ["stroke", "heart_failure"]  # diseases that a config adds
SUPERVISED, CNN = ("finetune", "supervised"), ("finetune", "supervised_cnn")


def compared(target, fraction, first, second, difference=0.031):
    metric = "r" if target == "lv" else "auroc"
    return dict(zip(KEYS, (target, fraction, *first, *second, metric), strict=True)) | {
        "difference": difference,
        "low": difference - 0.02,
        "high": difference + 0.02,
    }


def tables(pairs, untrained=NO_ONE):
    comparisons = pd.DataFrame(pairs)
    models = comparisons[MODEL_COLUMNS].drop_duplicates()
    intervals = models.assign(n_train=models["fraction"] * models["target"].map({"lv": 250}).fillna(40).astype(int))
    return {"comparisons": comparisons, "intervals": intervals, "untrained": untrained}


@pytest.fixture
def pairs():
    found = [
        compared(target, fraction, (fit, encoder), other)
        for target in ("lv", *OWN, "cad")
        for fraction in (100, 10, 1)
        for fit, encoder in (("probe", "mmcl"), ("finetune", "mmcl"), ("finetune", "simclr"))
        for other in (CNN, SUPERVISED)
    ]
    return [*found, compared("cad", 100, ("finetune", "mmcl"), ("finetune", "mae"))]


def test_a_row_a_model_and_size_in_the_order_of_a_curve(pairs):
    sheet = label_efficiency(tables(pairs))
    assert sheet.head == ["Target", "Labelled", "Encoder", "minus Supervised ViT", "minus Supervised CNN"]
    assert [row[:3] for row in sheet.rows[:9]] == [
        ["CAD", size, model]
        for model in ("SimCLR", "MMCL (ours)", "MMCL (ours), probe")
        for size in ("40 (1 %)", "400 (10 %)", "4,000 (100 %)")
    ]
    assert sheet.rows[0][3:] == ["+3.10 [+1.10, +5.10]"] * 2 and sheet.rows[27][:2] == ["LV", "250 (1 %)"]
    assert [row[0] for row in sheet.rows[::9]] == ["CAD", *(TARGETS[name] for name in own_diseases(OWN)), "LV"]
    assert sheet.rows[27][3] == "+0.03 [+0.01, +0.05]"
    assert sheet.data.columns.tolist() == [*COLUMNS, "difference", "low", "high"] and len(sheet.data) == 72
    assert not sheet.data["other_encoder"].eq("mae").any()


def test_daggers_are_of_the_model_or_of_what_it_is_held_against(pairs):
    marked = [("finetune", "simclr", "cad", 1), ("finetune", "supervised_cnn", "cad", 10)]
    sheet = label_efficiency(tables(pairs, pd.DataFrame(marked, columns=MODEL_COLUMNS)))
    of_simclr = [row for row in sheet.rows if row[0] == "CAD" and row[2].startswith("SimCLR")]
    assert [row[2] for row in of_simclr] == ["SimCLR†", "SimCLR", "SimCLR"]
    assert [row[4].endswith("†") for row in of_simclr] == [False, True, False]
    assert not any("†" in row[3] for row in sheet.rows) and "†: not trained" in sheet.caption


def test_without_a_cnn_there_is_no_column_and_without_pairs_no_row(pairs):
    sheet = label_efficiency(tables([pair for pair in pairs if pair["other_encoder"] != "supervised_cnn"]))
    assert sheet.head[3:] == ["minus Supervised ViT"]
    sheet = label_efficiency(tables(pairs[-1:]))
    assert not sheet.rows and sheet.data.empty

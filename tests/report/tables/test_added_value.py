"""The table of what an ECG adds: its parts and differences, daggers, and stacks that could not be made."""

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.added_value import added_value

MEANS = {  # of CAD at all labels
    ("train_tabular", "tabular"): 0.70,
    ("stacked", "tabular_alone"): 0.72,
    ("finetune", "mmcl"): 0.68,
    ("stacked", "mmcl+tabular"): 0.75,
    ("finetune", "cmr_mmcl"): 0.80,
}


def tables_of(means=MEANS, skipped=(), untrained=()):
    rows = [(*model, "cad", 100, "auroc", mean, mean - 0.02, mean + 0.02) for model, mean in means.items()]
    pairs = [
        (*first, "cad", 100, *second, means[first] - means[second], 0.01, 0.09, 0.001, 0.002)
        for first in means
        for second in means
        if first == ("stacked", "mmcl+tabular") and second[1] in ("tabular", "tabular_alone", "mmcl")
    ]
    differences = ["other_fit", "other_encoder", "difference", "low", "high", "p_value", "p_value_holm"]
    return {
        "intervals": pd.DataFrame(rows, columns=[*MODEL_COLUMNS, "metric", "mean", "low", "high"]),
        "comparisons": pd.DataFrame(pairs, columns=[*MODEL_COLUMNS, *differences]),
        "skipped": pd.DataFrame(skipped, columns=[*MODEL_COLUMNS, "reason"]),
        "untrained": pd.DataFrame(untrained, columns=[*MODEL_COLUMNS, "reason"]),
    }


def test_a_line_has_the_parts_and_what_is_added():
    sheet = added_value(tables_of())
    (line,) = sheet.rows
    assert line[:2] == ["CAD", "MMCL (ours)"]
    assert line[2:6] == [f"{mean}.0 [{mean - 2}.0, {mean + 2}.0]" for mean in (70, 72, 68, 75)]
    assert line[6:] == ["+3.00 [+1.00, +9.00]", "0.002", "+5.00 [+1.00, +9.00]"]
    (row,) = sheet.data.to_dict("records")
    assert (row["fit"], row["encoder"], row["metric"]) == ("stacked", "mmcl+tabular", "auroc")
    assert row["over_ecg_difference"] == pytest.approx(0.07) and row["over_tabular_p_value"] == 0.001


def test_without_trees_there_is_a_dash():
    (line,) = added_value(tables_of({key: mean for key, mean in MEANS.items() if key[0] != "train_tabular"})).rows
    assert line[2] == line[8] == "–" and line[6].startswith("+3.00")


def test_untrained_parts_have_their_dagger_and_the_stack_that_of_its_ecg():
    (line,) = added_value(tables_of(untrained=[("finetune", "mmcl", "cad", 100, "few steps")])).rows
    assert [cell.endswith("†") for cell in line] == [False, True, False, False, True, True, False, False, False]
    sheet = added_value(tables_of(untrained=[("train_tabular", "tabular", "cad", 100, "at chance")]))
    assert [cell.endswith("†") for cell in sheet.rows[0]][1:6] == [False, True, False, False, False]
    assert "†: not trained" in sheet.caption


def test_a_stack_that_could_not_be_made_says_why():
    reason = "the same value of af for all 9 validation subjects"
    skipped = [("stacked", name, "af", 100, reason) for name in ("tabular_alone", "mmcl+tabular")]
    skipped.append(("finetune", "mae", "af", 100, "no training set"))
    sheet = added_value(tables_of(skipped=skipped))
    assert sheet.rows[1] == ["AF", "MMCL (ours)", *["–"] * 7]
    assert sheet.title.endswith(f"AF was not fitted: {reason}.")
    assert sheet.data["note"].tolist() == ["", reason] and np.isnan(sheet.data.loc[1, "stacked_mean"])


def test_diseases_of_the_config_stand_between_the_papers_and_the_phenotypes():
    tables = tables_of()
    for name, column in (("intervals", "target"), ("comparisons", "target")):
        tables[name] = pd.concat([tables[name].assign(**{column: target}) for target in ("rv", "stroke", "dm", "cad")])
    assert added_value(tables).data["target"].tolist() == ["cad", "dm", "stroke", "rv"]


def test_nothing_was_run():
    sheet = added_value(tables_of({}))
    assert sheet.rows == [] and sheet.data.empty and "over_tabular_difference" in sheet.data

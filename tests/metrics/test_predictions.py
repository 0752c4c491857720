"""Predictions are arranged by seed and subject, and whatever does not fit together is refused by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report.report_cohort import SEEDS, write_study

from cmr2ecg.metrics.predictions import check_same_subjects, identify, read_predictions
from cmr2ecg.metrics.scores import group_outputs, interval_row, seed_metrics
from cmr2ecg.runtime.command import InputError


@pytest.fixture
def paths(tmp_path):
    return write_study(tmp_path, encoders=("supervised", "mmcl"), targets=("cad",), fractions=(100,))


def change(path, edit):
    table = pd.read_parquet(path).reset_index(drop=True)
    edited = edit(table)
    (table if edited is None else edited).to_parquet(path, index=False)


def test_path_says_which_model():
    assert identify(Path("r/finetune/mmcl/cad/10/predictions.parquet")) == ("finetune", "mmcl", "cad", 10)
    assert identify(Path("r/probe/random/lv/100/predictions.parquet")) == ("probe", "random", "lv", 100)
    assert identify(Path("r/train_tabular/af/1/result.json")) == ("train_tabular", "tabular", "af", 1)
    for wrong in ("predictions.parquet", "r/mmcl/cad/10/p.parquet", "r/finetune/mmcl/cad/all/p.parquet"):
        with pytest.raises(InputError, match=wrong):
            identify(Path(wrong))


def test_order_of_rows_does_not_matter(paths):
    before = read_predictions(paths[0])
    change(paths[0], lambda table: table.sample(frac=1, random_state=0))
    after = read_predictions(paths[0])
    assert [entry.split for entry in before] == ["test", "val"]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.eid, other.eid)
        assert one.scores.shape == (len(SEEDS), 40)


EDITS = {
    "no column y_score": lambda table: table.drop(columns="y_score"),
    "no predictions": lambda table: table.iloc[:0],
    "different subjects": lambda table: table.iloc[1:],
    "subjects or labels": lambda table: table.assign(y_true=table["y_true"].where(table.index > 0, 0.0)),
    "y_true holds NaN": lambda table: table.assign(y_true=table["y_true"].where(table["eid"] != 9_000_101)),
    "y_score holds NaN": lambda table: table.assign(y_score=table["y_score"].where(table.index > 0)),
    "both in val and in test": lambda table: table.assign(eid=table["eid"].replace(9_000_180, 9_000_101)),
    "twice in one seed": lambda table: table.assign(eid=table["eid"].replace(9_000_180, 9_000_179)),
}


@pytest.mark.parametrize("message", EDITS)
def test_a_broken_file_is_refused_by_name(paths, message):
    change(paths[0], EDITS[message])
    with pytest.raises(InputError, match=message) as caught:
        read_predictions(paths[0])
    assert str(paths[0]) in str(caught.value)


@pytest.mark.parametrize("column", ["eid", "y_true"])
def test_models_of_other_subjects_or_labels_are_refused(paths, column):
    moved = {"eid": lambda table: table["eid"] + 1, "y_true": lambda table: 1 - table["y_true"]}
    change(paths[1], lambda table: table.assign(**{column: moved[column]}))
    with pytest.raises(InputError) as caught:
        check_same_subjects(entry for path in paths for entry in read_predictions(path))
    assert str(paths[0]) in str(caught.value) and str(paths[1]) in str(caught.value)


def test_a_test_split_of_one_class_gives_nan(paths):
    change(paths[0], lambda table: table.assign(y_true=table["y_true"].where(table["split"] == "val", 0.0)))
    predictions = read_predictions(paths[0])
    val, test = (group_outputs(predictions, split) for split in ("val", "test"))
    metrics = seed_metrics([*val, *test])
    assert metrics[metrics["split"] == "test"]["value"].isna().all()
    assert metrics[metrics["split"] == "val"]["value"].notna().all()
    row = interval_row(test[0], n_train=None)
    assert np.isnan([row[name] for name in ("mean", "std", "low", "high")]).all()
    assert (row["n"], row["n_positive"], row["n_seeds"]) == (40, 0, 3)

"""A target's outputs and values, and why one cannot be learnt."""

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.loading.labels import output_names, output_values, unusable
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import is_regression


def test_diseases_have_one_output_and_the_five_groups_sixty_one():
    assert output_names("cad") == ["cad"] and not is_regression("cad")
    assert [len(output_names(group)) for group in ("lv", "rv", "wt", "ecc", "err")] == [6, 4, 17, 17, 17]


def test_values_keep_the_order_of_the_subjects_and_the_gaps(tmp_path):
    names = output_names("rv")
    table = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=names).assign(eid=[9000001, 9000002, 9000003])
    table.loc[1, names[2]] = np.nan
    table.to_parquet(tmp_path / "phenotypes.parquet")
    found = output_values(tmp_path / "phenotypes.parquet", "rv", np.array([9000003, 9000002]))
    np.testing.assert_array_equal(found, [[8, 9, 10, 11], [4, 5, np.nan, 7]])


def test_a_table_without_the_phenotype_is_named(tmp_path):
    pd.DataFrame({"eid": [9000001]}).to_parquet(tmp_path / "phenotypes.parquet")
    with pytest.raises(InputError, match="no column RVEDV; rerun read_tabular"):
        output_values(tmp_path / "phenotypes.parquet", "rv", np.array([9000001]))


@pytest.mark.parametrize(
    ("target", "train", "val", "reason"),
    [
        ("lv", np.arange(9.0), np.arange(5.0), "9 values in the training set, fewer than 10"),
        ("lv", np.r_[np.arange(10.0), np.nan], np.array([1.0, np.nan]), "1 values in the val set, fewer than 2"),
        ("lv", np.full(12, 3.0), np.arange(5.0), "the same value for all 12 subjects of the training set"),
        ("cad", np.array([0.0, 1.0]), np.zeros(7), "the same value for all 7 subjects of the val set"),
        ("cad", np.array([0.0, 1.0]), np.array([1.0, 0.0]), ""),
        ("lv", np.r_[np.arange(10.0), np.nan], np.array([1.0, 2.0, np.nan]), ""),
    ],
)
def test_what_cannot_be_learnt_has_its_reason(target, train, val, reason):
    assert unusable(target, train, val) == reason

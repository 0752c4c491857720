"""The table of claims: which verdict, corrected for what, and what is left out of the tests."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from cmr2ecg.metrics.multireader import holm
from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.report.maps.heatmap import COLUMNS
from cmr2ecg.report.tables.claims_table import claims_table

ERROR = 0.002
FOUND = {  # MMCL minus another on CAD, in standard errors
    "supervised": 10.0,
    "tabular": 2.1,  # beyond 1.96, not after correction
    "cmr_supervised": 0.0,
    "mae": -10.0,
    "simclr": -4.5,
}


def tables_of(found=FOUND, turned=(), untrained=()):
    rows = []
    for other, size in found.items():
        sign, first, second = (-1, other, "mmcl") if other in turned else (1, "mmcl", other)
        value = sign * size * ERROR
        row = {"target": "cad", "fraction": 100, "fit": fit_of(first), "encoder": first}
        row |= {"other_fit": fit_of(second), "other_encoder": second, "difference": value}
        row |= {"low": value - 1.96 * ERROR, "high": value + 1.96 * ERROR, "standard_error": ERROR, "df": np.inf}
        rows.append(row | {"p_value": 2 * norm.sf(abs(size)), "margin": 0.01})
    marked = pd.DataFrame(untrained, columns=["fit", "encoder", "target", "fraction", "reason"])
    return {"comparisons": pd.DataFrame(rows), "heatmap": pd.DataFrame(columns=COLUMNS), "untrained": marked}


def of_mmcl(tables):
    """Return MMCL's claims on CAD at all labels, by (kind, other model)."""
    data = claims_table(tables).data
    data = data[(data["better"] == "mmcl") & (data["target"] == "cad") & (data["fraction"] == 100)]
    return data.set_index(["kind", "worse"])


def test_verdicts_are_of_corrected_p_values_and_of_the_margin():
    found = of_mmcl(tables_of())
    assert found["verdict"].to_dict() == {
        ("level", "cmr_supervised"): "confirmed",  # 5 standard errors above minus the margin
        ("above", "supervised"): "confirmed",
        ("above", "tabular"): "at the level of",
        ("above", "cmr_supervised"): "at the level of",
        ("above", "mae"): "reversed",
        ("above", "simclr"): "reversed",
        **{("above", name): "not run" for name in ("clocs", "byol", "barlow_twins", "mmcl_without_mdm")},
    }
    level = found.loc[("level", "cmr_supervised"), "p_value"]
    assert level == pytest.approx(2 * norm.sf(5))
    tested = found["p_value"].dropna()
    assert len(tested) == 6
    assert found.loc[tested.index, "p_value_holm"].to_numpy() == pytest.approx(holm(tested.to_numpy()))


def test_a_pair_compared_the_other_way_round_gives_the_same():
    columns = ["difference", "low", "high", "p_value", "verdict"]
    pd.testing.assert_frame_equal(of_mmcl(tables_of())[columns], of_mmcl(tables_of(turned=("mae", "tabular")))[columns])


def test_claims_about_untrained_models_are_no_part_of_the_family():
    marked = [("finetune", "cmr_supervised", "cad", 100, "few steps"), ("finetune", "mae", "cad", 10, "few steps")]
    found = of_mmcl(tables_of(untrained=marked))
    for kind in ("above", "level"):
        assert found.loc[(kind, "cmr_supervised"), "verdict"] == "not tested"
        assert np.isnan(found.loc[(kind, "cmr_supervised"), "p_value"])
    assert found.loc[("above", "mae"), "verdict"] == "reversed"  # another training size was marked
    tabular = found.loc[("above", "tabular")]
    assert tabular["p_value_holm"] == pytest.approx(tabular["p_value"]) and tabular["verdict"] == "confirmed"


def test_the_title_counts_what_was_tested_and_every_verdict():
    sheet = claims_table(tables_of())
    assert "all 6 claims that were tested" in sheet.title and "(1 percentage points)" in sheet.title
    counts = "2 confirmed, 2 at the level of, 2 reversed, 124 not run."
    assert sheet.title.endswith(counts) and len(sheet.rows) == 130


def test_without_the_table_of_untrained_models_all_count():
    tables = tables_of()
    del tables["untrained"]
    pd.testing.assert_frame_equal(claims_table(tables).data, claims_table(tables_of()).data)

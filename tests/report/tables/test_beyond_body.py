"""The table of partial correlations: who is ahead of whom, and what is printed where there is nothing."""

import numpy as np
import pandas as pd

from cmr2ecg.metrics.scores import COMPARISON_COLUMNS, MODEL_COLUMNS
from cmr2ecg.report.tables.beyond_body import beyond_body

FITS = [("finetune", "mae"), ("finetune", "mmcl"), ("probe", "mae"), ("probe", "mmcl")]


def analysed(fit, encoder, fraction, mean):
    keys = dict(zip(MODEL_COLUMNS, (fit, encoder, "lv", fraction), strict=True))
    return keys | {"analysis": "adjusted", "mean": mean, "low": mean - 0.02, "high": mean + 0.02}


def compared(fit, other, fraction, difference):
    row = {
        "target": "lv",
        "fraction": fraction,
        "fit": fit,
        "encoder": "mmcl",
        "other_fit": fit,
        "other_encoder": other,
    }
    spread = {"difference": difference, "low": difference - 0.01, "high": difference + 0.01}
    return row | spread | {"family": f"{fit}/{fraction}", "p_value": 0.01, "p_value_holm": 0.02}


def tables(comparisons, untrained=()):
    analyses = [analysed(*fit, fraction, 0.3) for fit in FITS for fraction in (100, 10)]
    analyses.append(analysed("finetune", "mmcl", 100, 0.9) | {"analysis": "sex"})
    columns = [*COMPARISON_COLUMNS, "p_value_holm"]
    return {
        "analyses": pd.DataFrame(analyses),
        "adjusted_comparisons": pd.DataFrame(comparisons, columns=columns),
        "untrained": pd.DataFrame(untrained, columns=MODEL_COLUMNS),
    }


def test_fine_tuned_models_on_all_labels_are_shown_and_all_are_in_the_csv():
    pairs = [compared(fit, "mae", fraction, 0.04) for fit in ("finetune", "probe") for fraction in (100, 10)]
    claim = compared("finetune", "mae", 100, 0.5) | {"family": ""}  # listed for another reason: not twice
    sheet = beyond_body(tables([*pairs, claim], [("finetune", "mae", "lv", 100)]))
    own = "0.300 [0.280, 0.320]"
    assert sheet.rows == [
        ["LV", "MAE†", own, "+0.040 [+0.030, +0.050]", "0.020"],
        ["LV", "MMCL (ours)", own, "–", "–"],
    ]
    assert len(sheet.data) == 8 and sheet.data["ahead_difference"].notna().sum() == 4
    assert "†: not trained" in sheet.caption


def test_without_mmcl_there_is_nothing_to_be_ahead():
    sheet = beyond_body(tables([]))
    assert [row[3:] for row in sheet.rows] == [["–", "–"]] * 2
    assert np.isnan(sheet.data["ahead_difference"].astype(float)).all()

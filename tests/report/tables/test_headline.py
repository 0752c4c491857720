"""The headline: which models and differences, what its sentences say of their intervals, and its plain text."""

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.headline import COLUMNS, headline, headline_data, plain_text
from cmr2ecg.report.tables.headline_words import sentences

NO_ONE = pd.DataFrame(columns=MODEL_COLUMNS)
DISEASES, GROUPS = ("cad", "af", "dm"), ("lv", "err")
LEAD = {
    "superclasses": 0.08,
    "lv": 0.1,
    "err": 0.03,
    "cad": 0.08,
    "af": 0.01,
    "dm": -0.09,
}  # of MMCL, with intervals of 0.05 to each side
TUNED = ("supervised", "supervised_cnn", "mae", "mmcl")


def unit(target):
    return "r" if target in GROUPS else "auroc"


def tables(
    sizes=(100, 10, 1),
    encoders=TUNED,
    probes=("random", "mae", "mmcl"),
    targets=(*GROUPS, *DISEASES),
    marked=(),
    ours="mmcl",
):
    """Return files of `evaluate`: every model at .6, MMCL (or another of ours) before the others by LEAD."""
    models = [("finetune", name, target, size) for name in encoders for target in targets for size in sizes]
    models += [("probe", name, target, 100) for name in probes for target in targets]
    scores = pd.DataFrame(models, columns=MODEL_COLUMNS)
    scores = scores.assign(split="test", metric=scores["target"].map(unit), mean=0.6, low=0.55, high=0.65)
    scores["n_positive"] = np.where(scores["target"].isin(DISEASES), 10.0, np.nan)
    pairs = [
        (*key, key[0], other, unit(key[2]), LEAD[key[2]], LEAD[key[2]] - 0.05, LEAD[key[2]] + 0.05)
        for key in models
        for other in dict.fromkeys((*encoders, *probes))
        if key[1] == ours != other and (key[0], other, *key[2:]) in models
    ]
    columns = [*MODEL_COLUMNS, "other_fit", "other_encoder", "metric", "difference", "low", "high"]
    untrained = pd.DataFrame(marked, columns=MODEL_COLUMNS)
    return {"intervals": scores, "comparisons": pd.DataFrame(pairs, columns=columns), "untrained": untrained}


def said(**options):
    return " ".join(sentences(headline_data(tables(**options))))


def test_without_mmcl_the_mae_takes_its_place():
    only_ecgs = {"encoders": ("supervised", "supervised_cnn", "mae"), "probes": ("random", "mae"), "ours": "mae"}
    sheet = headline(tables(targets=DISEASES, **only_ecgs))
    assert {row[1] for row in sheet.rows if "minus" in row[1]} == {
        "MAE minus Supervised ViT",
        "MAE minus Supervised CNN",
        "MAE minus Random ViT",
    }
    assert "differences of the MAE" in sheet.title and "MMCL" not in sheet.title
    text = said(targets=DISEASES, **only_ecgs)
    assert "Linear probes of the MAE's embeddings are above those of a random ViT in 1 of 3 diseases" in text
    assert "Fine-tuned with all labels, the MAE is above the supervised ViT in 1 of 3 diseases" in text


def test_a_mean_over_diseases_is_shown_and_not_counted():
    found = tables(targets=("cad", "superclasses"))
    data = headline_data(found)
    assert set(data.loc[data["macro"], "target"]) == {"superclasses"}
    assert "in 1 of 1 disease" in " ".join(sentences(data)) and "Superclasses" in headline(found).head


def test_rows_are_models_and_then_differences_of_all_labels_of_ten_percent_and_of_probes():
    sheet = headline(tables())
    minus = ["MMCL minus Supervised ViT", "MMCL minus Supervised CNN", "MMCL minus MAE"]
    tuned = ["Supervised ViT", "Supervised CNN", "MAE", "MMCL (ours)", *minus]
    rows = [(part, name) for part in ("Fine-tuned, 100 %", "Fine-tuned, 10 %") for name in tuned]
    rows += [("Linear probes", name) for name in ("Random ViT", "MAE", "MMCL (ours)", minus[-1])]
    assert [tuple(row[:2]) for row in sheet.rows] == rows
    assert sheet.head == ["Fit, labels", "Model", "CAD", "AF", "DM", "LV", "Err"]
    assert sheet.rows[3][2:4] == ["60.0 [55.0, 65.0]"] * 2 and sheet.rows[3][5] == "0.60 [0.55, 0.65]"
    assert sheet.rows[4][2:6] == [
        "+8.0 [+3.0, +13.0]",
        "+1.0 [-4.0, +6.0]",
        "-9.0 [-14.0, -4.0]",
        "+0.10 [+0.05, +0.15]",
    ]
    assert sheet.data.columns.tolist() == COLUMNS and len(sheet.data) == 5 * len(rows)
    assert set(sheet.data["fraction"]) == {100, 10} and not sheet.data["marked"].any()


def test_the_sentences_count_intervals_above_and_below_zero():
    counted = "1 of 2 phenotype groups and 1 of 3 diseases, below in 1 of 3 diseases"
    assert said(encoders=("supervised", "mae", "mmcl"), sizes=(100,)) == (
        f"Linear probes of MMCL's embeddings are above those of the MAE in {counted}. "
        f"Fine-tuned with all labels, MMCL is above the supervised ViT in {counted}; above the MAE in {counted}."
    )
    few, whole = said(targets=("cad", "af")).split(". ")[1:]
    three = [f"above the {name} in 1 of 2 diseases" for name in ("supervised ViT", "supervised CNN", "MAE")]
    assert few == "Fine-tuned with 10 % of the labels, MMCL is " + "; ".join(three)
    assert whole == "Fine-tuned with all labels, MMCL is " + "; ".join(three) + "."


@pytest.mark.parametrize(
    ("targets", "counted"),
    [
        (("af",), "in none of 1 disease."),
        (("err", "af"), "in none of 1 phenotype group and none of 1 disease."),
        (("lv", "af"), "in 1 of 1 phenotype group and none of 1 disease."),
        (("dm",), "in none of 1 disease, below in 1 of 1 disease."),
    ],
)
def test_counts_of_none_and_of_one(targets, counted):
    assert said(targets=targets).startswith(f"Linear probes of MMCL's embeddings are above those of the MAE {counted}")


def test_differences_with_a_model_that_was_not_trained_are_named_and_not_counted():
    marked = [("finetune", "supervised", "cad", 100), *(("finetune", "mae", target, 100) for target in DISEASES)]
    text = said(targets=DISEASES, marked=marked, encoders=("supervised", "mae", "mmcl"), sizes=(100,)).split(". ")[1]
    assert text == (
        "Fine-tuned with all labels, MMCL is above the supervised ViT in none of 2 diseases, below in 1 of 2 diseases "
        "(not counted: 1 disease with a model that is not trained, or without an interval); not compared with the MAE "
        "(3 diseases with a model that is not trained, or without an interval)."
    )
    sheet = headline(tables(targets=DISEASES, marked=marked))
    assert [row[2].endswith("†") for row in sheet.rows[:7]] == [True, False, True, False, True, False, True]
    assert "†: not trained" in sheet.caption and set(sheet.data["marked"]) == {"", "not trained"}


def test_models_that_are_not_compared_for_one_reason_are_named_together():
    marked = [("finetune", "mmcl", target, 100) for target in (*GROUPS, *DISEASES)]
    assert said(marked=marked).split(". ")[2] == (
        "Fine-tuned with all labels, MMCL is not compared with the supervised ViT, the supervised CNN and the MAE (2 "
        "phenotype groups and 3 diseases with a model that is not trained, or without an interval)."
    )


def test_a_difference_without_an_interval_is_not_counted():
    found = tables(targets=("cad", "af"), encoders=(), probes=("mae", "mmcl"))
    found["comparisons"].loc[0, ["low", "high"]] = float("nan")
    assert sentences(headline_data(found))[0] == (
        "Linear probes of MMCL's embeddings are above those of the MAE in none of 1 disease (not "
        "counted: 1 disease with a model that is not trained, or without an interval)."
    )


def test_models_that_were_not_run_are_said_to_be_missing():
    assert said(encoders=("supervised",), probes=()) == (
        "MMCL was not probed. MMCL was not fine-tuned with 10 % of the labels. MMCL was not fine-tuned with all labels."
    )
    assert said(encoders=("mmcl",), probes=("mmcl",), sizes=(100,)) == (
        "Linear probes of MMCL's embeddings are not compared with those of the MAE (not run, or "
        "on other targets). Fine-tuned with all labels, MMCL is not compared with the supervised ViT and the MAE "
        "(not run, or on other targets)."
    )
    sheet = headline(tables(encoders=(), probes=()))
    assert not sheet.rows and sheet.data.empty and plain_text(sheet.data) == []


def test_plain_text_marks_sure_differences_and_fits_the_terminal():
    lines = plain_text(headline_data(tables(marked=[("probe", "mmcl", "cad", 100)])))
    assert lines[:3] == [
        "Headline: ROC AUC in percent or mean r on the test split; fine-tuned with all or few labels",
        "                            CAD      AF      DM      LV     Err",
        "Fine-tuned, 100 %",
    ]
    assert "  MMCL - Supervised CNN   +8.0*    +1.0   -9.0*  +0.10*   +0.03" in lines
    assert "  MMCL - MAE             +8.0*†    +1.0   -9.0*  +0.10*   +0.03" in lines
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("width", [66, 80, 100])
def test_targets_that_do_not_fit_follow_below(width, monkeypatch):
    own = [f"d{number}" for number in range(9)]
    for name in own:
        monkeypatch.setitem(LEAD, name, 0.08)
    lines = plain_text(headline_data(tables(targets=(*GROUPS, *DISEASES, *own))), width)
    assert max(map(len, lines)) <= width
    heads = [line.split() for line in lines if line.startswith(" " * 20)]
    assert [name for head in heads for name in head] == [
        "CAD",
        "AF",
        "DM",
        *(name.upper() for name in own),
        "LV",
        "Err",
    ] and len(heads) > 1

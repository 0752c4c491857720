"""From predictions to metrics, intervals, paired comparisons and analyses of one target."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.report_cohort import SEEDS, write_sides, write_study
from scipy.stats import pearsonr

from cmr2ecg.loading.labels import rows_for
from cmr2ecg.metrics.analyses import adjusted, analyse, band_name
from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.predictions import read_predictions
from cmr2ecg.metrics.scores import _pairs, comparison_table, group_outputs, interval_row, seed_metrics
from cmr2ecg.report.tables.paper_values import PAPER
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.claims import claims, verdict

MARGIN = {"auroc": 0.01, "r": 0.02}
ENCODERS = ("supervised", "mae", "mmcl", "tabular", "probe/random", "probe/mmcl")


def models_of(root, target, encoders=ENCODERS, fractions=(100,)):
    paths = write_study(root, encoders=encoders, targets=(target,), fractions=fractions)
    return group_outputs([entry for path in paths for entry in read_predictions(path)], "test")


def by_key(models):
    return {model.first.model: model for model in models}


@pytest.fixture(scope="module")
def diseased(tmp_path_factory):
    return models_of(tmp_path_factory.mktemp("cad"), "cad")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return models_of(tmp_path_factory.mktemp("rv"), "rv", encoders=("supervised", "mmcl"))


def test_a_disease_is_scored_by_auroc_a_phenotype_by_r_of_the_known_values(diseased, measured):
    rows = seed_metrics(diseased).set_index(["fit", "encoder", "seed"])
    entry = diseased[0].first
    assert rows.loc[("finetune", "supervised", 101), "value"] == pytest.approx(auroc(entry.y_true, entry.scores[1]))
    rows = seed_metrics(measured)
    entry = measured[1].outputs[2]
    known = ~np.isnan(entry.y_true)
    found = rows[(rows["encoder"] == "mmcl") & (rows["output"] == entry.output)]
    expected = [pearsonr(entry.y_true[known], score[known])[0] for score in entry.scores]
    assert found["value"].tolist() == pytest.approx(expected)
    assert (found["n"] == known.sum()).all() and found["n_positive"].isna().all()
    means = rows[(rows["encoder"] == "mmcl") & (rows["output"] == "mean")]["value"].tolist()
    singles = rows[(rows["encoder"] == "mmcl") & (rows["output"] != "mean")]
    assert means == pytest.approx(singles.groupby("seed")["value"].mean().tolist())


def test_the_interval_holds_the_mean(diseased, measured):
    for model in (*diseased, *measured):
        row = interval_row(model, 80)
        assert row["low"] < row["mean"] < row["high"] and row["n_train"] == 80


def test_comparisons_are_with_mmcl_of_the_same_kind_and_with_the_claims(diseased):
    models = by_key(diseased)
    table = comparison_table(models, MARGIN)
    pairs = set(zip(table["fit"], table["encoder"], table["other_fit"], table["other_encoder"], strict=True))
    assert pairs == {
        ("finetune", "mmcl", "finetune", "supervised"),
        ("finetune", "mmcl", "finetune", "mae"),
        ("finetune", "mmcl", "train_tabular", "tabular"),
        ("probe", "mmcl", "probe", "random"),
        ("finetune", "mae", "finetune", "supervised"),
        ("probe", "mmcl", "finetune", "supervised"),
    }
    family = table[table["family"] == "finetune/100"]
    claimed = table[table["family"] == ""].iloc[0]
    for name in ("p_delong", "p_value"):
        assert (family[f"{name}_holm"] >= family[name]).all() and (family[f"{name}_holm"] <= 1).all()
        assert np.isnan(claimed[f"{name}_holm"]) and 0 < claimed[name] <= 1
    means = {key[1]: model.by_seed.mean() for key, model in models.items() if key[0] == "finetune"}
    assert claimed["difference"] == pytest.approx(means["mae"] - means["supervised"])
    assert ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()


def test_an_ablation_is_compared_with_mmcl_and_with_the_mae_of_its_kind_and_place():
    def models(fit):
        return [(fit, name, "cad", 10) for name in ("mae", "mmcl", "mmcl_few", "random")]

    pairs = [pair[:2] for pair in _pairs([*models("finetune"), *models("probe")])]
    for fit in ("finetune", "probe"):
        mae, mmcl, few, _ = models(fit)
        assert {(mmcl, few), (few, mae)} <= set(pairs)
    assert (("probe", "mae", "cad", 10), ("probe", "random", "cad", 10)) in pairs
    assert len(pairs) == len(set(pairs)) and all(first != second for first, second in pairs)


def test_ecg_pretrainings_are_compared_with_training_from_scratch_at_each_size():
    fits = [("finetune", name) for name in ("supervised", "supervised_cnn", "byol", "cmr_mmcl")]
    fits += [("probe", "byol"), ("probe", "random")]
    models = [(*fit, "lv", fraction) for fit in fits for fraction in (100, 10)]
    scratch = ("supervised", "supervised_cnn")
    assert {pair[:2] for pair in _pairs(models)} == {
        ((fit, "byol", "lv", fraction), ("finetune", name, "lv", fraction))
        for fit in ("finetune", "probe")
        for fraction in (100, 10)
        for name in scratch
    }
    assert all(family == "" for _, _, family in _pairs(models))  # no part of what Holm's method corrects


def test_phenotypes_have_no_delong(measured):
    table = comparison_table(by_key(measured), MARGIN)
    assert len(table) == 1 and table["p_delong"].isna().all() and table["p_value"].notna().all()
    assert (table["margin"] == MARGIN["r"]).all()


def test_runs_of_one_pretraining_are_one_reader(diseased):
    model = diseased[2]
    assert model.summary()["n_readers"] == 3
    shared = replace(model, blocks=dict.fromkeys(SEEDS, 7))
    assert shared.summary() == model.summary()  # all of one pre-training: the runs are what varies
    blocks = replace(model, blocks=dict(zip(SEEDS, (1, 2, 2), strict=True)))
    found, values = blocks.summary(), model.by_seed
    assert (found["n_seeds"], found["n_readers"]) == (3, 2)
    assert found["mean"] == pytest.approx((values[0] + values[1:].mean()) / 2)  # of blocks, whatever their size
    with pytest.raises(InputError, match="seed 202 is no run of"):
        replace(model, blocks={0: 0, 101: 0}).summary()


def analyses_of(model, root):
    sides = write_sides(root)
    covariates, dates = (rows_for(sides[name], model.first.eid) for name in ("covariates", "dates"))
    rows = analyse(model, covariates, dates, age_bands=[55, 65])
    return pd.DataFrame(rows), covariates, dates


def test_subgroups_and_onset_are_the_metric_of_their_subjects(diseased, tmp_path):
    model = diseased[0]
    rows, covariates, dates = analyses_of(model, tmp_path)
    found = rows.set_index("group")
    women = covariates["sex"].to_numpy() == 0
    y, scores = model.first.y_true, model.first.scores
    assert found.loc["female", "mean"] == pytest.approx(np.mean([auroc(y[women], s[women]) for s in scores]))
    assert (
        found.loc[["below 55", "55 to 64", "65 and above"], "n"].sum() == found.loc[["female", "male"], "n"].sum() == 40
    )
    before = (dates["cad_date"] <= dates["visit_date"]).to_numpy() | (y == 0)
    assert found.loc["prevalent", "mean"] == pytest.approx(np.mean([auroc(y[before], s[before]) for s in scores]))
    assert found.loc["prevalent", "n_positive"] + found.loc["incident", "n_positive"] == y.sum()


def test_adjusted_r_is_nothing_where_covariates_explain_all(measured, tmp_path):
    rows, covariates, _ = analyses_of(measured[0], tmp_path)
    assert set(rows["analysis"]) == {"sex", "age", "adjusted"}
    exact = deepcopy(measured[0])
    for entry in exact.outputs:
        known = ~np.isnan(entry.y_true)
        entry.y_true[known] = (covariates["age"].to_numpy() + np.random.default_rng(0).normal(0, 5, 40))[known]
        entry.scores[:] = covariates["age"].to_numpy()
    rows = analyses_of(exact, tmp_path)[0].set_index("analysis")
    assert np.isnan(rows.loc["adjusted", "mean"])  # nothing is left of a prediction that is a covariate
    assert rows.loc["sex", "mean"].min() > 0.3


def test_differences_beyond_the_body_are_of_partial_correlations(measured, tmp_path):
    rows, covariates, _ = analyses_of(measured[0], tmp_path)
    beyond = [adjusted(model, covariates) for model in measured]
    found = comparison_table(by_key(beyond), MARGIN).iloc[0]
    values = {model.first.model[1]: model.summary()["mean"] for model in beyond}
    assert found["difference"] == pytest.approx(values[found["encoder"]] - values[found["other_encoder"]])
    assert values[measured[0].first.model[1]] == pytest.approx(rows.set_index("analysis").loc["adjusted", "mean"])


def test_bands_are_named():
    assert [band_name(-np.inf, 55), band_name(55, 65), band_name(65, np.inf)] == [
        "below 55",
        "55 to 64",
        "65 and above",
    ]


def test_every_claim_at_the_whole_set_agrees_with_the_papers_own_tables():
    listed = claims()
    assert len({tuple(vars(claim).values())[1:] for claim in listed}) == len(listed), "a claim stands there twice"
    for claim in listed:
        if claim.fraction == 100 and claim.kind == "above":
            better, worse = (PAPER[name][claim.target][0] for name in (claim.better, claim.worse))
            assert better > worse, claim


@pytest.mark.parametrize(
    ("kind", "difference", "low", "p_holm", "expected"),
    [
        ("above", 0.03, 0.01, 0.01, "confirmed"),
        ("above", 0.03, 0.01, 0.06, "at the level of"),  # the interval alone is not enough
        ("above", 0.0, -0.009, 1.0, "at the level of"),
        ("above", 0.0, -0.011, 1.0, "not confirmed"),
        ("above", -0.03, -0.05, 0.01, "reversed"),
        ("above", -0.002, -0.004, 0.01, "reversed"),
        ("level", -0.004, -0.008, 0.01, "confirmed"),
        ("level", -0.004, -0.008, 0.06, "not confirmed"),
        ("level", -0.02, -0.03, 0.01, "reversed"),
    ],
)
def test_verdicts(kind, difference, low, p_holm, expected):
    assert verdict(kind, difference, low, p_holm, margin=0.01) == expected


def test_no_margin_no_level():
    assert verdict("above", 0.1, 0.05, 0.2, margin=float("nan")) == "not confirmed"

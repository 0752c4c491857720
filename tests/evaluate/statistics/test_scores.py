"""From predictions to metrics, intervals, paired comparisons and analyses of one target."""

import numpy as np
import pandas as pd
import pytest
from evaluate.report_cohort import write_sides, write_study
from scipy.stats import pearsonr

from cmr2ecg.data.labels import rows_for
from cmr2ecg.evaluate.statistics.analyses import analyse, band_name
from cmr2ecg.evaluate.statistics.auroc import auroc
from cmr2ecg.evaluate.statistics.bootstrap import resample
from cmr2ecg.evaluate.statistics.predictions import read_predictions
from cmr2ecg.evaluate.statistics.scores import _pairs, comparison_table, group_outputs, interval_row, seed_metrics
from cmr2ecg.evaluate.tables.claims import claims, verdict
from cmr2ecg.evaluate.tables.paper_values import PAPER

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
        row = interval_row(model, model.draws(resample(40, 300, seed=0), seed=0), 80)
        assert row["low"] < row["mean"] < row["high"] and row["n_train"] == 80


def test_comparisons_are_with_mmcl_of_the_same_kind_and_with_the_claims(diseased):
    counts = resample(40, 200, seed=0)
    models = by_key(diseased)
    table = comparison_table(models, {key: model.draws(counts, 0) for key, model in models.items()})
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
    assert (family["p_delong_holm"] >= family["p_delong"]).all() and (family["p_delong_holm"] <= 1).all()
    claimed = table[table["family"] == ""].iloc[0]
    assert np.isnan(claimed["p_delong_holm"]) and 0 < claimed["p_delong"] <= 1
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


def test_phenotypes_have_no_delong(measured):
    models = by_key(measured)
    table = comparison_table(models, {key: model.draws(resample(40, 50, seed=0), 0) for key, model in models.items()})
    assert len(table) == 1 and table["p_delong"].isna().all() and table["p_bootstrap"].notna().all()


def analyses_of(model, root):
    sides = write_sides(root)
    covariates, dates = (rows_for(sides[name], model.first.eid) for name in ("covariates", "dates"))
    rows = analyse(model, resample(40, 50, seed=0), covariates, dates, age_bands=[55, 65], seed=0)
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
    exact = measured[0]
    for entry in exact.outputs:
        known = ~np.isnan(entry.y_true)
        entry.y_true[known] = (covariates["age"].to_numpy() + np.random.default_rng(0).normal(0, 5, 40))[known]
        entry.scores[:] = covariates["age"].to_numpy()
    rows = analyses_of(exact, tmp_path)[0].set_index("analysis")
    assert np.isnan(rows.loc["adjusted", "mean"])  # nothing is left of a prediction that is a covariate
    assert rows.loc["sex", "mean"].min() > 0.3


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
        if claim.fraction == 100:
            better, worse = (PAPER[name][claim.target][0] for name in (claim.better, claim.worse))
            assert better > worse, claim


def test_verdicts():
    assert [verdict(0.1, 0.2), verdict(-0.2, -0.1), verdict(-0.1, 0.1)] == ["confirmed", "reversed", "not confirmed"]

"""An ECG stacked with age, sex, weight and height: what adds, what does not, and what is looked at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression

from cmr2ecg.metrics.predictions import Predictions
from cmr2ecg.metrics.scores import Scored, comparison_table
from cmr2ecg.metrics.stacking import fit_predict, stacked_models, standardised
from cmr2ecg.tables.phenotypes import phenotype_names

N = 1500  # subjects of each split
MARGIN = {"auroc": 0.01, "r": 0.02}
WITH, ALONE = ("stacked", "mmcl+tabular", "cad", 100), ("stacked", "tabular_alone", "cad", 100)


class Cohort:
    """Validation and test subjects whose disease has two causes: their covariates, and what only the ECG shows."""

    def __init__(self, folder, seed=0, missing=0.0):
        rng = np.random.default_rng(seed)
        body = {"sex": rng.integers(0, 2, 2 * N) * 1.0, "age": rng.uniform(45, 82, 2 * N)}
        self.body = pd.DataFrame(body | {"weight": rng.normal(76, 14, 2 * N), "height": rng.normal(170, 9, 2 * N)})
        self.of_body = (self.body["age"] - 63).to_numpy() / 10 + 0.5 * body["sex"]
        self.hidden = rng.normal(size=2 * N)
        self.disease = (rng.random(2 * N) < expit(self.of_body + self.hidden - 1.5)).astype(float)
        self.covariates = folder / "covariates.parquet"
        kept = self.body.mask(rng.random(self.body.shape) < missing)
        kept.assign(eid=np.arange(2 * N)).to_parquet(self.covariates)
        self.rng = rng

    def model(self, signal, fit="finetune", encoder="mmcl", target="cad", runs=2, noise=0.3, truth=None):
        """Return a model on validation and test whose log odds, or phenotypes, are a signal (2 N,) and noise."""
        truth = self.disease if truth is None else truth
        held = []
        scores = signal + noise * self.rng.normal(size=(runs, 2 * N))
        for split, rows in (("val", slice(0, N)), ("test", slice(N, None))):
            outputs = phenotype_names(target) if target == "rv" else [target]
            made = scores[:, rows] if target == "rv" else expit(scores[:, rows])
            held.append(
                Scored(
                    [
                        Predictions(Path(), fit, encoder, target, 100, split, *each)
                        for each in (
                            (name, np.arange(2 * N)[rows], truth[rows], np.arange(runs), made) for name in outputs
                        )
                    ]
                )
            )
        return held


def stacked(cohort, *models):
    """Return the stacks of models (val, test) by key."""
    made, skipped = stacked_models(*(list(split) for split in zip(*models, strict=True)), cohort.covariates)
    assert not skipped
    return {model.first.model: model for model in made}


def added(cohort, *models):
    """Return the row of comparisons.csv of MMCL and the tabular side minus the tabular side alone."""
    tests = {model.first.model: model for _, model in models}
    table = comparison_table(tests | stacked(cohort, *models), MARGIN).set_index(["encoder", "other_encoder"])
    return table.loc[("mmcl+tabular", "tabular_alone")]


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path)


def test_what_only_the_ecg_shows_adds_to_the_covariates(cohort):
    row = added(cohort, cohort.model(cohort.hidden))
    assert row["low"] > 0.03 and row["p_value_holm"] < 1e-6


def test_a_score_made_of_the_covariates_adds_nothing(cohort):
    row = added(cohort, cohort.model(cohort.of_body, noise=0.0))
    assert abs(row["difference"]) < 5e-4 and row["low"] <= 0


def test_noise_adds_nothing(cohort):
    assert added(cohort, cohort.model(0 * cohort.hidden, noise=1.0))["difference"] < 0.002


def test_what_trees_see_of_the_covariates_counts_as_tabular(cohort):
    """A score of the squared age adds to straight lines, but not where the trees have seen it."""
    square = ((cohort.body["age"] - 63) / 10).to_numpy() ** 2
    cohort.disease = (cohort.rng.random(2 * N) < expit(1.5 * square - 3)).astype(float)
    ecg, trees = cohort.model(1.5 * square), cohort.model(1.5 * square, "train_tabular", "tabular", noise=0.01)
    assert added(cohort, ecg)["low"] > 0.05
    assert abs(added(cohort, ecg, trees)["difference"]) < 0.003


def test_it_is_the_regression_of_each_run_fitted_on_validation(cohort):
    ecg, trees = cohort.model(cohort.hidden), cohort.model(cohort.of_body, "train_tabular", "tabular")
    found = stacked(cohort, ecg, trees)
    assert set(found) == {WITH, ALONE}
    for run in range(2):
        val, test = (
            np.column_stack([body, *(logit(held[split].first.scores[run]) for held in (trees, ecg))])
            for split, body in enumerate((cohort.body[:N], cohort.body[N:]))
        )
        plain = LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-8)
        centre, spread = val.mean(axis=0), val.std(axis=0)
        plain.fit((val - centre) / spread, cohort.disease[:N])
        expected = plain.predict_proba((test - centre) / spread)[:, 1]
        assert found[WITH].first.scores[run] == pytest.approx(expected, abs=0.02)  # but for the weak penalty


def test_phenotypes_have_a_linear_regression_each(cohort):
    truth = 100 + 10 * cohort.of_body + 5 * cohort.hidden
    truth[::3] = np.nan
    ecg = cohort.model(cohort.hidden, target="rv", truth=truth)
    found = stacked(cohort, ecg)[("stacked", "mmcl+tabular", "rv", 100)]
    assert [entry.output for entry in found.outputs] == phenotype_names("rv") and found.metric == "r"
    val, test = (
        np.column_stack([body, held.first.scores[1]])
        for body, held in zip((cohort.body[:N], cohort.body[N:]), ecg, strict=True)
    )
    there = ~np.isnan(truth[:N])
    expected = LinearRegression().fit(val[there], truth[:N][there]).predict(test)
    assert found.outputs[2].scores[1] == pytest.approx(expected, abs=0.1)
    assert np.isfinite(found.outputs[2].scores).all()


def test_test_labels_change_no_prediction(cohort):
    val, test = cohort.model(cohort.hidden)
    poisoned = Scored([replace(test.first, y_true=1 - test.first.y_true)])
    clean, other = (stacked(cohort, (val, held)) for held in (test, poisoned))
    for key, model in clean.items():
        assert np.array_equal(model.first.scores, other[key].first.scores)
        assert not np.array_equal(model.first.y_true, other[key].first.y_true)


def test_subjects_without_a_covariate_are_kept(tmp_path):
    cohort = Cohort(tmp_path, missing=0.2)
    row = added(cohort, cohort.model(cohort.hidden))
    assert row["low"] > 0.03
    test = stacked(cohort, cohort.model(cohort.hidden))[WITH].first
    assert np.isfinite(test.scores).all() and len(test.eid) == N


def test_a_missing_value_is_the_median_told_by_an_indicator():
    val = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0], [8.0, 5.0]])
    a, b = standardised(val, np.array([[np.nan, np.nan], [3.0, 7.0]]))
    assert a.shape == (4, 2)  # the second column is the same for all, and nobody lacks it
    assert a.mean(axis=0) == pytest.approx(0) and a.std(axis=0) == pytest.approx(1)
    assert a[1, 0] == a[2, 0] == b[0, 0] == b[1, 0] and b[0, 1] == a[2, 1] and b[1, 1] == a[0, 1]
    nobody = standardised(np.full((4, 1), np.nan), np.ones((3, 1)))
    assert [each.shape for each in nobody] == [(4, 0), (3, 0)]


def test_separated_classes_have_finite_risks():
    val = np.array([[0.0], [1.0], [2.0], [10.0]])
    risk = fit_predict(val, np.array([[1.0], [9.0]]), np.array([0.0, 0.0, 0.0, 1.0]), regression=False)
    assert 0.001 < risk[0] < 0.5 < risk[1] < 0.999


def test_one_class_in_validation_is_skipped_with_the_reason(cohort):
    cohort.disease[:N] = 0
    val, test = cohort.model(cohort.hidden)
    made, skipped = stacked_models([val], [test], cohort.covariates)
    reason = f"the same value of cad for all {N} validation subjects"
    assert made == [] and skipped == [(*ALONE, reason), (*WITH, reason)]


def test_a_phenotype_of_few_validation_subjects_is_skipped_with_the_reason(cohort):
    truth = np.where(np.arange(2 * N) < N - 9, np.nan, cohort.of_body)
    val, test = cohort.model(cohort.hidden, target="rv", truth=truth)
    made, skipped = stacked_models([val], [test], cohort.covariates)
    assert made == [] and skipped[0][-1] == f"9 validation subjects have {val.first.output}, fewer than 10"


def test_without_any_covariate_there_is_nothing_to_add_to(cohort):
    frame = pd.read_parquet(cohort.covariates)
    frame[["age", "sex", "weight", "height"]] = np.nan
    frame.to_parquet(cohort.covariates)
    val, test = cohort.model(cohort.hidden)
    assert stacked_models([val], [test], cohort.covariates)[1][0][-1].startswith("no validation subject has age")


def test_images_and_probes_are_not_stacked(cohort):
    others = [cohort.model(cohort.hidden, *names) for names in (("finetune", "cmr_mmcl"), ("probe", "mmcl"))]
    assert stacked(cohort, *others) == {}
    assert stacked_models([], [others[0][1]], cohort.covariates) == ([], [])


def test_runs_and_blocks_are_those_of_the_ecg_model(cohort):
    val, test = cohort.model(cohort.hidden, runs=4)
    test = replace(test, blocks={0: 0, 1: 0, 2: 1, 3: 1})
    trees = cohort.model(cohort.of_body, "train_tabular", "tabular", runs=3)
    found = stacked(cohort, (val, test), trees)
    assert found[WITH].first.seeds.tolist() == [0, 1, 2, 3] and found[WITH].summary()["n_readers"] == 2
    assert found[ALONE].first.seeds.tolist() == [0, 1, 2]
    assert stacked(cohort, (val, test))[ALONE].first.seeds.tolist() == [0]


def test_a_run_that_the_trees_lack_takes_their_mean(cohort):
    ecg, trees = cohort.model(cohort.hidden), cohort.model(cohort.of_body, "train_tabular", "tabular")
    others = [Scored([replace(held.first, seeds=held.first.seeds + 7)]) for held in trees]
    mean = [Scored([replace(h.first, scores=np.tile(expit(logit(h.first.scores).mean(0)), (2, 1)))]) for h in trees]
    found, expected = stacked(cohort, ecg, others), stacked(cohort, ecg, mean)
    assert found[WITH].first.scores == pytest.approx(expected[WITH].first.scores)


def test_a_stack_is_set_against_what_it_was_made_of(cohort):
    models = [cohort.model(cohort.hidden), cohort.model(cohort.hidden, encoder="supervised")]
    models.append(cohort.model(cohort.of_body, "train_tabular", "tabular"))
    tests = {model.first.model: model for _, model in models} | stacked(cohort, *models)
    table = comparison_table(tests, MARGIN)
    of_stacks = table[(table["fit"] == "stacked") | (table["other_fit"] == "stacked")]
    assert {*zip(of_stacks["encoder"], of_stacks["other_encoder"], of_stacks["family"], strict=True)} == {
        (f"{name}+tabular", *other)
        for name in ("mmcl", "supervised")
        for other in (("tabular_alone", "stacked/100"), ("tabular", ""), (name, ""))
    }

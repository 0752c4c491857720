"""What marks a model as not trained: each criterion alone, its limits, and what is not asked of whom."""

import math

import numpy as np
import pytest

from cmr2ecg.metrics.multireader import mean
from cmr2ecg.metrics.predictions import Predictions
from cmr2ecg.metrics.scores import Scored
from cmr2ecg.metrics.untrained import (
    SIGMAS,
    Training,
    score_and_error,
    score_reasons,
    untrained_table,
)
from cmr2ecg.tables.phenotypes import phenotype_names
from cmr2ecg.training.fit.fits import late_gain, learnt
from cmr2ecg.training.fit.targets import task_of

GOOD = {
    "steps": [900, 700],
    "epochs": [40, 35],
    "best_epoch": [14, 9],
    "epoch_limit": [400, 400],
    "late_gain": [0.0, 0.0],
}
LABELS = np.arange(200) % 4 == 0


def scored(effect=1.5, fit="finetune", encoder="supervised", target="cad", runs=2, seed=0, scale=1.0):
    """A model on 200 validation subjects whose log odds, or phenotypes, are `effect` standard deviations apart."""
    rng = np.random.default_rng(seed)
    outputs = phenotype_names(target) if target == "rv" else [target]
    entries = []
    for number, output in enumerate(outputs):
        truth = np.random.default_rng([7, number]).normal(100, 20, 200) if target == "rv" else LABELS.astype(float)
        signal = effect * (truth - truth.mean()) / (truth.std() if target == "rv" else 1)
        noisy = scale * (signal + rng.standard_normal((runs, 200)))
        scores = 100 + noisy if target == "rv" else 1 / (1 + np.exp(-noisy))
        model = (fit, encoder, target, 100, "val", output)
        entries.append(Predictions(None, *model, np.arange(200), truth, np.arange(runs), scores))
    return Scored(entries)


def reasons(model, probe=None, minimum_steps=300, **changes):
    """The reason of `model` in the table of it and a probe; None where it is not marked."""
    models = [model, *([probe] if probe else [])]
    training = Training.of({"n_train": 100, **GOOD, **changes})
    table = untrained_table(models, {each.first.model: training for each in models}, minimum_steps)
    marked = dict(zip(table["encoder"], table["reason"], strict=True))
    return marked.get(model.first.encoder)


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_a_trained_model_is_not_marked(target):
    assert reasons(scored(target=target), scored(0.5, "probe", "random", target)) is None


@pytest.mark.parametrize(("steps", "marked"), [([299, 900], True), ([300, 300], False), ([36, 900, 900], False)])
def test_too_few_steps_in_half_of_the_runs(steps, marked):
    assert reasons(scored(), steps=steps) == ("few steps: 299 where 300 are the least" if marked else None)


@pytest.mark.parametrize(("best", "marked"), [([399, 5], True), ([398, 398], False), ([399, 5, 5], False)])
def test_the_last_epoch_was_the_best(best, marked):
    all_epochs = {"epochs": [400] * len(best), "best_epoch": best, "epoch_limit": [400] * len(best)}
    found = reasons(scored(), **all_epochs, late_gain=[0.03] * len(best))
    assert found == ("still improving: the last epoch was the best in 1 of 2 runs" if marked else None)

    assert reasons(scored(), **all_epochs, late_gain=[0.004] * len(best)) is None  # as a cosine schedule ends


def test_an_early_stop_is_no_last_epoch():
    assert reasons(scored(), epochs=[40, 40], best_epoch=[39, 39], late_gain=[0.03, 0.03]) is None


@pytest.mark.parametrize(
    ("scores", "gain"), [([0.5], 0.0), ([0.5, 0.7], 0.2), ([0.5] * 18 + [0.6, 0.65], 0.15), ([0.7] * 9 + [0.6], -0.1)]
)
def test_what_the_last_tenth_of_the_epochs_brought(scores, gain):
    assert late_gain(scores) == pytest.approx(gain)


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_not_above_chance(target):
    assert "at chance" in reasons(scored(0.0, target=target))
    assert "at chance" in reasons(scored(0.0, target=target), learnt=[0.5, 0.09])


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_who_learnt_the_training_set_and_is_at_chance_was_trained(target):
    assert reasons(scored(0.0, target=target), scored(2.0, "probe", "random", target), learnt=[0.5, 0.1]) is None


@pytest.mark.parametrize(
    ("target", "losses", "smoothing", "share"),
    [("cad", [math.log(2)], 0.0, 0.0), ("cad", [0.9, 0.0], 0.0, 1.0), ("cad", [0.7] * 9 + [0.325083], 0.2, 1.0),
     ("lv", [2.0] * 18 + [0.8, 0.6], 0.2, 0.3), ("lv", [1.1], 0.2, -0.1)],
)  # fmt: skip
def test_how_much_of_the_training_set_was_learnt(target, losses, smoothing, share):
    assert learnt(task_of(target), losses, smoothing) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(("target", "wanted"), [("cad", "validation ROC AUC 0.500"), ("rv", "validation r 0.000")])
def test_constant_predictions_have_the_score_of_chance_and_no_spread(target, wanted):
    found = reasons(scored(target=target, scale=0.0))
    assert found == f"at chance: {wanted}; no spread: nearly the same prediction for everybody"


@pytest.mark.parametrize(("target", "least"), [("cad", 0.01), ("rv", 0.2)])
def test_predictions_that_hardly_differ(target, least):
    """The spread is that of the log odds, or of phenotypes in standard deviations (20) of the measured ones."""
    spread = np.sqrt(np.var(1.5 * LABELS) + 1) if target == "cad" else np.sqrt(1.5**2 + 1)
    alike = "no spread: nearly the same prediction for everybody"
    assert reasons(scored(target=target, scale=0.8 * least / spread)) == alike
    assert reasons(scored(target=target, scale=1.2 * least / spread)) is None


@pytest.mark.parametrize(("encoder", "probe"), [("mae", "random"), ("cmr_supervised", "cmr_random")])
def test_below_the_random_probe_of_its_kind(encoder, probe):
    weak, other = scored(0.8, encoder=encoder), "cmr_random" if probe == "random" else "random"
    assert "probe 0.9" in reasons(weak, scored(2.0, "probe", probe))
    assert reasons(weak, scored(0.85, "probe", probe, seed=1)) is None  # below it by less than their error
    assert reasons(weak, scored(2.0, "probe", other)) is None


def test_probes_and_trees_are_asked_for_spread_only():
    early = {"steps": [1], "epochs": [400], "best_epoch": [399], "epoch_limit": [400]}
    for fit, encoder in (("probe", "mae"), ("probe", "random"), ("train_tabular", "tabular")):
        assert reasons(scored(0.8, fit, encoder), scored(2.0, "probe", "cmr_random"), **early) is None
        assert reasons(scored(0.0, fit, encoder), **early) is None
        assert "no spread" in reasons(scored(scale=0.0, fit=fit, encoder=encoder), **early)


def test_what_an_older_result_does_not_say_is_not_asked():
    old = Training.of({"n_train": 9, "best_epoch": [399, 399]})
    table = untrained_table([scored()], {scored().first.model: old}, 300)
    assert table.empty and list(table) == ["fit", "encoder", "target", "fraction", "reason"]


def test_the_error_is_that_of_the_runs_at_hand_over_subjects():
    model = scored(runs=3)
    expected = mean(model.readers.pooled())
    assert score_and_error(model) == pytest.approx((expected.value, expected.standard_error))


def test_phenotypes_that_are_the_same_value_do_not_count_as_more_subjects():
    one = scored(target="rv").outputs[0]
    single, fourfold = score_and_error(Scored([one])), score_and_error(Scored([one] * 4))
    assert fourfold == pytest.approx(single)


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_of_models_that_know_nothing_one_in_twenty_is_not_marked(target):
    above = [score > SIGMAS * error + (0.5 if target == "cad" else 0.0) for score, error in _of_chance(target, 400)]
    assert 0.02 < np.mean(above) < 0.085


def _of_chance(target, draws):
    return [score_and_error(scored(0.0, target=target, runs=1, seed=seed)) for seed in range(draws)]


def test_one_case_is_too_few_to_say():
    one = scored().first
    few = Predictions(**{**vars(one), "y_true": np.arange(200) == 7})
    assert not any("chance" in reason for reason in score_reasons(Scored([few])))

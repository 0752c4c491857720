"""Fine-tuning overfits what it should, stops early, repeats exactly, pauses and goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from finetune_setups import SETTINGS, fold, setup_of

from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.fit import finetune as module
from cmr2ecg.training.fit.finetune import Fit, copy_state, fit_all


@pytest.fixture
def setup(small_dataset, small_models):
    return setup_of(small_models, fold(small_dataset, 0, 16), fold(small_dataset, 24, 12))


@pytest.mark.parametrize(
    ("encoder", "pooling"),
    [("supervised", "clip"), ("supervised", "authors"), ("supervised_cnn", "clip"), ("cmr_supervised", "clip")],
)
def test_overfits_sixteen_subjects(small_dataset, small_models, encoder, pooling):
    field = "cmr" if encoder.startswith("cmr") else "ecg"
    train = fold(small_dataset, 0, 16, field, image_size=32)
    settings = {**SETTINGS, "epochs": 40, "pooling": pooling}
    fit = Fit(setup_of(small_models, train, train, encoder), settings, 0)
    while fit.best_score < 1 and not fit.finished:
        fit.advance(len(fit.history) + 1)
    assert fit.best_score == 1.0


@pytest.mark.parametrize("encoder", ["supervised", "supervised_cnn"])
def test_same_seed_same_predictions(setup, encoder):
    setup = replace(setup, encoder=encoder)
    scores = [fit.predict(setup.val) for fit in fit_all(setup, [(SETTINGS, 5), (SETTINGS, 5), (SETTINGS, 6)], until=2)]
    assert np.array_equal(scores[0], scores[1]) and not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize(
    ("encoder", "batch_size", "sizes"),
    [
        ("supervised", 8, [6, 6, 5]),
        ("supervised_cnn", 8, [6, 6, 5]),
        ("supervised", 2, [2] * 8 + [1]),
        ("supervised_cnn", 2, [2] * 8),  # batch norm has no statistics of a single subject
    ],
)
def test_the_steps_of_an_epoch_weigh_alike(small_dataset, small_models, monkeypatch, encoder, batch_size, sizes):
    seen, real = [], module.loss_of
    monkeypatch.setattr(module, "loss_of", lambda *args: seen.append(len(args[1])) or real(*args))
    setup = setup_of(small_models, fold(small_dataset, 0, 17), fold(small_dataset, 24, 12), encoder)
    fit = Fit(setup, {**SETTINGS, "batch_size": batch_size}, 0).advance(1)
    assert seen == sizes and fit.steps == len(sizes)


def test_layer_decay_and_pooling_change_nothing_in_a_convolutional_network(setup):
    setup = replace(setup, encoder="supervised_cnn")
    settings = [SETTINGS, {**SETTINGS, "layer_decay": 0.5, "pooling": "authors"}]
    first, second = (Fit(setup, one, 0).advance(1) for one in settings)
    assert first.history == second.history


def test_fits_that_take_turns_end_as_if_alone(setup):
    alone = Fit(setup, SETTINGS, 1).advance()
    one, other = Fit(setup, SETTINGS, 1), Fit(setup, SETTINGS, 2)
    for epoch in range(1, 5):
        other.advance(epoch)
        one.advance(epoch)
    assert one.history == alone.history
    assert np.array_equal(one.predict(setup.val), alone.predict(setup.val))


def test_a_restored_fit_ends_the_same(setup):
    whole = Fit(setup, SETTINGS, 1).advance()
    first = Fit(setup, SETTINGS, 1).advance(2)
    second = Fit(setup, SETTINGS, 1)
    second.restore(first.state())
    assert second.advance().history == whole.history
    assert np.array_equal(second.predict(setup.val), whole.predict(setup.val))


def scores_of(monkeypatch, values):
    """Let the validation metric be these values, and keep the weights that each was given for."""
    left, seen = iter(values), []

    def fake(task, y_true, y_score):
        seen.append(y_score)
        return next(left)

    monkeypatch.setattr(module, "score", fake)
    return seen


def test_stops_after_patience_and_predicts_with_the_best_weights(setup, monkeypatch):
    seen = scores_of(monkeypatch, [0.5, 0.9, 0.7, 0.9, 0.8])
    fit = Fit(setup, {**SETTINGS, "epochs": 20, "patience": 2}, 0).advance()
    assert fit.finished and fit.best_epoch == 1 and len(fit.history) == 4
    assert np.array_equal(fit.predict(setup.val), seen[1]) and not np.array_equal(seen[1], seen[3])


def test_patience_waits_for_the_fewest_steps(setup, monkeypatch):
    scores_of(monkeypatch, [0.9] + [0.5] * 30)
    fit = Fit(setup, {**SETTINGS, "epochs": 20, "patience": 2, "minimum_steps": 15}, 0).advance()
    assert fit.steps_per_epoch == 2 and fit.steps == 16 and fit.best_epoch == 0


def test_few_subjects_are_trained_on_for_more_epochs(setup):
    fit = Fit(setup, {**SETTINGS, "epochs": 2, "minimum_steps": 9}, 0).advance()
    assert len(fit.history) == fit.settings["epochs"] == 5 and fit.steps == 10
    rates = [row["learning_rate"] for row in fit.history]
    assert rates[-1] < 0.3 * rates[0]  # the cosine comes down over all of them


def test_a_validation_after_so_many_steps_and_at_the_end(setup, monkeypatch):
    scores_of(monkeypatch, [0.5, 0.9] + [0.7] * 7)
    fit = Fit(setup, {**SETTINGS, "epochs": 25, "validation_interval": 5, "patience": 100}, 0).advance()
    assert [row["epoch"] for row in fit.history if "val_auroc" in row] == [*range(2, 25, 3), 24]  # two steps an epoch
    assert fit.best_epoch == 5 and len(fit.history) == 25


def test_a_short_training_is_validated_eight_times_whatever_the_interval(setup, monkeypatch):
    """Of two validations, after the first half and at the end, the second was the best in most seeds by chance."""
    scores_of(monkeypatch, [0.5] * 8)
    fit = Fit(setup, {**SETTINGS, "epochs": 16, "validation_interval": 50, "patience": 100}, 0).advance()
    assert [row["epoch"] for row in fit.history if "val_auroc" in row] == [1, 3, 5, 7, 9, 11, 13, 15]
    scores_of(monkeypatch, [0.5] * 3)
    fit = Fit(setup, {**SETTINGS, "epochs": 3, "validation_interval": 50, "patience": 100}, 0).advance()
    assert [row["epoch"] for row in fit.history if "val_auroc" in row] == [0, 1, 2]


def test_patience_counts_epochs_also_where_not_all_are_validated(setup, monkeypatch):
    scores_of(monkeypatch, [0.9, 0.5, 0.5, 0.5])
    fit = Fit(setup, {**SETTINGS, "epochs": 24, "validation_interval": 5, "patience": 6}, 0).advance()
    assert fit.best_epoch == 2 and len(fit.history) == 9


def test_scores_that_are_kept_are_fp32(setup):
    bf16 = Fit(replace(setup, precision="bf16"), SETTINGS, 0).advance(1)
    fp32 = Fit(setup, SETTINGS, 0)
    fp32.model.load_state_dict(bf16.best_state)
    assert np.array_equal(bf16.predict(setup.val, precision="fp32"), fp32.predict(setup.val, fp32.model))
    assert not np.array_equal(bf16.predict(setup.val), bf16.predict(setup.val, precision="fp32"))


def test_a_score_within_the_authors_tolerance_starts_the_count_anew(setup, monkeypatch):
    scores_of(monkeypatch, [0.5, 0.9, 0.7, 0.898, 0.8, 0.8, 0.8])
    settings = {**SETTINGS, "epochs": 20, "patience": 2, "patience_tolerance": 0.0025}
    fit = Fit(setup, settings, 0).advance()
    assert fit.best_epoch == 1 and len(fit.history) == 6


def test_history_says_what_was_measured(setup):
    fit = Fit(setup, SETTINGS, 3).advance(1)
    assert set(fit.history[0]) == {"seed", "epoch", "train_loss", "learning_rate", "val_auroc"}


def test_a_start_is_taken_over_and_one_of_another_size_is_refused(small_dataset, small_models):
    train = fold(small_dataset, 0, 16)
    plain = Fit(setup_of(small_models, train, train), SETTINGS, 7)
    start = copy_state(plain.model.encoder)
    other = Fit(setup_of(small_models, train, train, "mae", start=start), SETTINGS, 8)
    assert all(
        torch.equal(a, b) for a, b in zip(start.values(), other.model.encoder.state_dict().values(), strict=True)
    )
    bigger = {**small_models, "ecg_encoder": {**small_models["ecg_encoder"], "dim": 32}}
    with pytest.raises(InputError, match=r"^mae: its pre-trained weights are of another network; check config models"):
        Fit(setup_of(bigger, train, train, "mae", start=start), SETTINGS, 8)


def test_phenotypes_are_learnt_and_predicted_in_their_units(small_dataset, small_models):
    """lv's six phenotypes follow the class, each in a unit of its own; a third of the values is absent."""
    rng = np.random.default_rng(0)
    means, spreads = np.array([150, 60, 90, 60, 5, 100.0]), np.array([30, 10, 20, 5, 1, 25.0])

    def phenotypes(first, count):
        values = means + spreads * (2 * (np.arange(first, first + count) % 2)[:, None] - 1)
        values = values + 0.1 * spreads * rng.standard_normal(values.shape)
        values[rng.random(values.shape) < 0.3] = np.nan
        return values

    train = fold(small_dataset, 0, 24, values=phenotypes(0, 24))
    val = fold(small_dataset, 24, 12, values=phenotypes(24, 12))
    fit = Fit(setup_of(small_models, train, val, target="lv"), {**SETTINGS, "epochs": 40, "base_lr": 1e-2}, 0).advance()
    assert fit.best_score > 0.9
    predicted = fit.predict(val)
    assert predicted.shape == (12, 6)
    assert (np.abs(predicted.mean(axis=0) - means) < spreads).all()


def test_phenotypes_are_standardised_by_the_training_subjects_alone(small_dataset, small_models):
    rng = np.random.default_rng(0)
    train = fold(small_dataset, 0, 24, values=rng.normal(100, 10, (24, 6)))
    val = fold(small_dataset, 24, 12, values=rng.normal(200, 30, (12, 6)))
    targets = Fit(setup_of(small_models, train, val, target="lv"), SETTINGS, 0).targets
    np.testing.assert_allclose(targets.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_allclose(targets.std(dim=0, correction=0), 1, rtol=1e-5)


def test_mean_over_crops(setup):
    fits = [Fit(setup, {**SETTINGS, "evaluation_crops": crops}, 0) for crops in (1, 3)]
    first, three = (fit.predict(setup.val) for fit in fits)
    model, samples = fits[0].model.eval(), fits[0].model.encoder.samples
    ecg = setup.val.data.batch(np.arange(12))["ecg"]
    with torch.inference_mode():
        views = [model(ecg[..., start : start + samples]).softmax(1)[:, 1] for start in (0, 1250, 2500)]
    np.testing.assert_allclose(first[:, 0], views[0], rtol=1e-5)
    np.testing.assert_allclose(three[:, 0], torch.stack(views).mean(0), rtol=1e-5)

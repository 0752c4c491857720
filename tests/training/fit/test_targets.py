"""Losses, z-scores and validation metrics of targets, against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.fit.targets import (
    Scale,
    learnable,
    loss_of,
    readout,
    score,
    targets_tensor,
    task_of,
)

CAD, LV = task_of("cad"), task_of("lv")
NAN = float("nan")


def test_tasks_of_the_paper_have_61_phenotypes_and_three_diseases():
    assert sum(len(task_of(group).outputs) for group in ("lv", "rv", "wt", "ecc", "err")) == 61
    assert (CAD.outputs, CAD.metric, CAD.network_outputs) == (("cad",), "auroc", 2)
    assert (LV.metric, LV.network_outputs, LV.outputs[0]) == ("r", 6, "LVEDV")


def test_label_smoothing_is_the_mixture_with_even_labels():
    """(1 - s) x cross-entropy of the label + s x the mean over both classes."""
    logits = torch.tensor([[2.0, -1.0]])
    log_p = torch.log_softmax(logits, 1)[0]
    for smoothing in (0.0, 0.2):
        expected = -((1 - smoothing) * log_p[1] + smoothing * log_p.mean())
        assert float(loss_of(CAD, logits, torch.tensor([[1.0]]), smoothing)) == pytest.approx(float(expected), rel=1e-6)


def test_absent_phenotypes_are_left_out_of_the_loss():
    outputs = torch.tensor([[1.0, 2.0, 0, 0, 0, 0], [3.0, 4.0, 0, 0, 0, 0]], requires_grad=True)
    targets = torch.full((2, 6), NAN)
    targets[0, 0], targets[1, 1] = 0.0, 1.0
    loss = loss_of(LV, outputs, targets, 0.2)
    assert float(loss.detach()) == (1.0**2 + 3.0**2) / 2
    loss.backward()
    assert torch.equal(outputs.grad.nonzero(), torch.tensor([[0, 0], [1, 1]]))


def test_a_batch_without_any_value_has_loss_zero_and_no_gradient():
    outputs = torch.ones(2, 6, requires_grad=True)
    loss = loss_of(LV, outputs, torch.full((2, 6), NAN), 0.0)
    loss.backward()
    assert float(loss.detach()) == 0 and not outputs.grad.any()


def test_z_scores_come_from_the_training_values_that_are_there():
    values = np.array([[1.0, NAN], [3.0, 10.0], [5.0, 30.0]])
    scale = Scale.of(values)
    np.testing.assert_allclose(scale.mean, [3, 20])
    np.testing.assert_allclose(scale.std, [math.sqrt(8 / 3), 10])
    z = scale.to_z(values)
    np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(z, axis=0), 1)
    np.testing.assert_allclose(scale.to_units(z), values)


def test_targets_keep_what_is_absent_absent_and_labels_as_they_are():
    assert torch.equal(
        targets_tensor(CAD, np.array([[0.0], [1.0]]), Scale.of(np.zeros((2, 1)))), torch.tensor([[0.0], [1.0]])
    )
    values = np.array([[1.0] * 6, [3.0] * 6, [NAN] * 6])
    assert targets_tensor(LV, values, Scale.of(values))[:, 0].tolist()[:2] == [-1, 1]
    assert targets_tensor(LV, values, Scale.of(values))[2].isnan().all()


def test_readout_gives_probabilities_or_units():
    np.testing.assert_allclose(
        readout(CAD, torch.tensor([[0.0, 2.0]]), Scale.of(np.zeros((1, 1)))), [[1 / (1 + math.exp(-2))]]
    )
    scale = Scale(np.arange(6.0), np.full(6, 2.0))
    np.testing.assert_allclose(readout(LV, torch.ones(1, 6), scale), [np.arange(6) + 2.0])


def test_the_score_of_a_group_is_the_mean_r_of_what_is_there_and_constant_predictions_count_as_none():
    truth, guess = np.array([1.0, 2, 3, NAN]), np.array([1.0, 2, 4, 1000])
    r = pearsonr([1, 2, 3], [1, 2, 4]).statistic
    six = np.tile(truth[:, None], 6)
    assert score(LV, six, np.tile(guess[:, None], 6)) == pytest.approx(r)
    assert score(LV, six, np.column_stack([guess] * 3 + [np.full(4, 5.0)] * 3)) == pytest.approx(r / 2)


def test_the_group_score_is_the_mean_over_its_phenotypes():
    truth = np.arange(12.0).reshape(2, 6).repeat(3, axis=0) + np.arange(6)[:, None]
    guess = truth.copy()
    guess[:, 0] *= -1
    assert score(LV, truth, guess) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("task", "train", "val", "said"),
    [
        (CAD, np.array([[0.0], [1], [1]]), np.zeros((3, 1)), "the same value for all 3 subjects of the val set"),
        (CAD, np.ones((3, 1)), np.array([[0.0], [1]]), "the same value for all 3 subjects of the training set"),
        (LV, np.arange(54.0).reshape(9, 6), np.arange(60.0).reshape(10, 6), "LVEDV has 9 values in the training set"),
        (LV, np.arange(66.0).reshape(11, 6), np.full((5, 6), NAN), "LVEDV has 0 values in the val set"),
    ],
)
def test_targets_that_cannot_be_learnt_or_scored_are_refused(task, train, val, said):
    with pytest.raises(InputError, match=said):
        learnable(task, train, val)


def test_a_constant_phenotype_is_left_out_with_its_reason_and_the_others_stay():
    train = np.arange(66.0).reshape(11, 6) * [1, 0, 1, 1, 1, 1]
    kept, reasons = learnable(LV, train, np.arange(60.0).reshape(10, 6))
    assert kept == [0, 2, 3, 4, 5]
    assert reasons == {"LVESV": "the same value for all 11 subjects of the training set"}

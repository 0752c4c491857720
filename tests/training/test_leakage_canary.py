"""A canary: with labels dealt at random no method may tell test subjects apart, by fine-tuning or by a probe.

The recordings hold a strong signal and the best of many epochs is taken; if any test label reached the training, the
AUROC would leave the band around one half.
"""

import h5py
import numpy as np
import pytest
from finetune_setups import SETTINGS, setup_of

from cmr2ecg.loading.paired_data import PairedData, View
from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.training.fit.finetune import Fit, Fold
from cmr2ecg.training.fit.probe import Embedded, fit_probe
from cmr2ecg.training.fit.targets import task_of

TRAIN, VAL, TEST = 40, 40, 300


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """Recordings of 380 subjects and labels that have nothing to do with them, half of each fold positive."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("canary") / "dataset.h5"
    count = TRAIN + VAL + TEST
    rates = rng.uniform(1, 3, (count, 1, 1))
    ecg = np.sin(2 * np.pi * rates * np.arange(2500) / 500) + 0.1 * rng.standard_normal((count, 12, 2500))
    with h5py.File(path, "w") as file:
        file["eid"] = 9000001 + np.arange(count)
        file["ecg"] = ecg.astype("f4")
    eids = 9000001 + np.arange(count)
    data = PairedData(path, eids, ("ecg",), memory_mb=500)
    cuts = np.split(np.arange(count), (TRAIN, TRAIN + VAL))
    labels = [rng.permutation(np.arange(len(cut)) % 2)[:, None].astype(float) for cut in cuts]
    parts = [Fold(View(data, cut), eids[cut], values) for cut, values in zip(cuts, labels, strict=True)]
    return dict(zip(("train", "val", "test"), parts, strict=True))


def covers_half(labels, scores) -> bool:
    """Say whether the 95 % interval of the AUROC holds 0.5 (Hanley and McNeil's variance at 0.5)."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    error = np.sqrt((positive + negative + 1) / (12 * positive * negative))
    return abs(auroc(labels[:, 0], scores[:, 0]) - 0.5) < 1.96 * error


def test_fine_tuning_on_random_labels_tells_nothing_about_the_test(folds, small_models):
    fit = Fit(setup_of(small_models, folds["train"], folds["val"]), {**SETTINGS, "epochs": 20}, 0).advance()
    assert covers_half(folds["test"].values, fit.predict(folds["test"]))


def test_a_probe_of_random_labels_tells_nothing_about_the_test(folds):
    embedded = {
        name: Embedded(fold.data.batch(np.arange(len(fold.eids)))["ecg"][:, 0, ::50].double().numpy(), fold.values)
        for name, fold in folds.items()
    }
    probe = fit_probe(task_of("cad"), embedded, [1e-4, 1e-2])
    assert covers_half(folds["test"].values, probe.predictions["test"])


def test_the_canary_sings_when_test_subjects_are_trained_on(folds, small_models):
    """The same fit, trained on the test fold, leaves the band: the check above can fail."""
    leaky = {**SETTINGS, "epochs": 60, "base_lr": 1e-2}
    few = Fold(
        View(folds["test"].data.data, folds["test"].data.positions[:40]),
        folds["test"].eids[:40],
        folds["test"].values[:40],
    )
    fit = Fit(setup_of(small_models, few, few), leaky, 0)
    while fit.best_score < 0.8 and not fit.finished:
        fit.advance(len(fit.history) + 1)
    assert not covers_half(few.values, fit.predict(few))

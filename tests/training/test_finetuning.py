"""Fine-tuning overfits what it should, stops early, repeats exactly, and keeps finished seeds."""

import numpy as np
import pandas as pd
import pytest
import torch

from cmr2ecg.command import InputError
from cmr2ecg.data.labels import require_both_classes
from cmr2ecg.data.loading import PairedData
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.training import finetune as module
from cmr2ecg.training.finetune import Labelled, finetune, probabilities
from cmr2ecg.training.seeds import prediction_rows, run_seeds


@pytest.fixture
def settings(ecg_augment):
    return {
        "epochs": 12,
        "batch_size": 8,
        "base_lr": 3e-3,
        "lr_reference_batch": 8,
        "warmup_fraction": 0.05,
        "weight_decay": 0.05,
        "betas": [0.9, 0.999],
        "layer_decay": 0.9,
        "label_smoothing": 0.1,
        "patience": 12,
        "random_crop": False,
        "augment": {**ecg_augment, "noise": 0.05, "rescale": 0.05},
    }


def fold(small_dataset, first, count):
    eids = 9000001 + np.arange(first, first + count)
    data = PairedData(small_dataset / "dataset.h5", eids, ("ecg",), memory_mb=100)
    return Labelled(data, eids, np.arange(first, first + count) % 2)


def model(small_models, seed=0):
    torch.manual_seed(seed)
    return EcgPredictor(EcgEncoder(**small_models["ecg_encoder"]), 2)


def test_overfits_sixteen_subjects(small_dataset, small_models, settings):
    train = fold(small_dataset, 0, 16)
    settings["epochs"] = settings["patience"] = 40
    outcome = finetune(model(small_models), train, train, settings, seed=0, precision="fp32")
    assert outcome.best_auroc == 1.0


def test_same_seed_same_predictions(small_dataset, small_models, settings):
    train, val = fold(small_dataset, 0, 16), fold(small_dataset, 24, 12)
    settings["epochs"] = 2
    scores = [
        probabilities(
            finetune(model(small_models), train, val, settings, seed=seed, precision="fp32").model, val.data, "fp32"
        )
        for seed in (5, 5, 6)
    ]
    assert np.array_equal(scores[0], scores[1]) and not np.array_equal(scores[0], scores[2])


def test_stops_after_patience_and_restores_the_best(small_dataset, small_models, settings, monkeypatch):
    train, val = fold(small_dataset, 0, 16), fold(small_dataset, 24, 12)
    settings["patience"], states = 2, []
    values = iter([0.5, 0.9, 0.7, 0.9, 0.8])

    def fake(_labels, _scores):
        states.append(module.copy_state(current))
        return next(values)

    monkeypatch.setattr(module, "auroc", fake)
    current = model(small_models)
    outcome = finetune(current, train, val, settings, seed=0, precision="fp32")
    assert outcome.best_epoch == 1 and len(outcome.history) == 4
    for key, value in outcome.model.state_dict().items():
        assert torch.equal(value, states[1][key])


def test_one_class_in_validation_is_an_input_error():
    with pytest.raises(InputError, match="0 of 3 subjects are positive"):
        require_both_classes(np.zeros(3), "cad, val split")


def seed_result(seed):
    return prediction_rows(seed, [9000001], "val", "cad", [1], [0.5]), [{"seed": seed}], {"val_auroc": 0.5}


def test_finished_seeds_are_not_trained_again(tmp_path):
    trained = []

    def fit(seed):
        if seed == 2 and trained.count(2) == 0:
            trained.append(2)
            raise RuntimeError("killed")
        trained.append(seed)
        return seed_result(seed)

    with pytest.raises(RuntimeError):
        run_seeds([1, 2, 3], fit, directory=tmp_path, owner="a", label="x")
    results = run_seeds([1, 2, 3], fit, directory=tmp_path, owner="a", label="x")
    assert trained == [1, 2, 2, 3]
    assert pd.concat([table for table, _, _ in results])["seed"].tolist() == [1, 2, 3]
    run_seeds([1], fit, directory=tmp_path, owner="other settings", label="x")
    assert trained[-1] == 1

"""The two faults that made the marks necessary, on real fits: too few steps, and a rate at which nothing moves."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from finetune_setups import SETTINGS, setup_of

from cmr2ecg.loading.paired_data import PairedData, View
from cmr2ecg.metrics.predictions import read_predictions
from cmr2ecg.metrics.scores import group_outputs
from cmr2ecg.metrics.untrained import Training, untrained_table
from cmr2ecg.models.classifier import build_encoder
from cmr2ecg.steps.probe import seed_result as probe_result
from cmr2ecg.training.fit import fits
from cmr2ecg.training.fit.finetune import Fit, Fold
from cmr2ecg.training.fit.probe import embed
from cmr2ecg.training.fit.seeds import SeedStore
from cmr2ecg.training.fit.targets import task_of

MODELS = {
    "ecg_encoder": {"leads": 3, "samples": 2500, "patch": 500, "dim": 16, "depth": 2, "heads": 2},
    "cmr_encoder": {"name": "resnet10t", "image_size": 24},
}
TRAIN, VAL = {"ecg": 96, "cmr": 160}, 100
UNCHANGED = {**dict.fromkeys(SETTINGS["cmr_augment"], 0), "crop_scale": 1.0}
QUIET = {"layer_decay": 0.75, "drop_path": 0.0, "cmr_augment": UNCHANGED}
TASK, CPU = task_of("cad"), torch.device("cpu")


def write_dataset(path, count):
    """Write recordings whose class is the sign of one bump in one lead, and the radius of a ring in the image."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    ecg = rng.standard_normal((count, 3, 2500))
    ecg[:, 1, 600:750] += 2 * (2 * labels - 1)[:, None] * np.hanning(150)
    rows, columns = np.mgrid[:24, :24]
    centre = rng.uniform(8, 16, (2, count, 1, 1))
    radius = (5 + 1.5 * labels + rng.normal(0, 0.5, count))[:, None, None]
    ring = np.exp(-((np.hypot(rows - centre[0], columns - centre[1]) - radius) ** 2) / 2)
    cmr = 0.5 + 0.1 * rng.standard_normal((count, 3, 24, 24)) + 0.3 * ring[:, None]
    with h5py.File(path, "w") as file:
        file["eid"] = 9000001 + np.arange(count)
        file["ecg"], file["cmr"] = ecg.astype("f4"), cmr.clip(0, 1).astype("f2")
    return labels


class Study:
    """Fits and the random encoder's probe on one made-up cohort, and what is said of them."""

    def __init__(self, folder, field):
        count = TRAIN[field] + VAL
        labels = write_dataset(folder / "dataset.h5", count)[:, None].astype(float)
        self.folder, self.field, self.eids = folder, field, 9000001 + np.arange(count)
        self.data = PairedData(folder / "dataset.h5", self.eids, (field,), memory_mb=100)
        parts = np.split(np.arange(count), [TRAIN[field], count - 10])
        self.folds = {
            name: Fold(View(self.data, part), self.eids[part], labels[part])
            for name, part in zip(("train", "val", "test"), parts, strict=True)
        }
        self.encoder, self.probe = {"ecg": ("supervised", "random"), "cmr": ("cmr_supervised", "cmr_random")}[field]

    def write(self, fit, encoder, result, described):
        path = self.folder / fit / encoder / "cad/100"
        SeedStore(path).write_outcome([result], {"n_train": TRAIN[self.field], **described})
        return path

    def fit(self, rate, epochs, batch_size):
        """Fine-tune from random weights at an absolute learning rate."""
        rates = {"base_lr": rate, "lr_reference_batch": batch_size}
        settings = {**SETTINGS, **QUIET, **rates, "epochs": epochs, "batch_size": batch_size}
        fit = Fit(setup_of(MODELS, self.folds["train"], self.folds["val"], self.encoder), settings, 0).advance()
        steps = len(fit.history) * -(-TRAIN[self.field] // batch_size)
        said = {"steps": [steps], "epochs": [len(fit.history)], "epoch_limit": [epochs]}
        return self.write("finetune", self.encoder, fits.seed_result(fit, self.folds), said)

    def probed(self):
        """Probe the encoder that was never trained."""
        torch.manual_seed(0)
        features = embed(build_encoder(self.encoder, MODELS), self.data, self.field, CPU, "fp32")
        return self.write("probe", self.probe, probe_result(TASK, self.folds, features, [1e-4, 0.01, 1.0, 10.0], 0), {})

    def marked(self, *folders, minimum_steps):
        """Return {encoder: reason} of these results."""
        files = [folder / "predictions.parquet" for folder in folders]
        models = group_outputs([entry for path in files for entry in read_predictions(path)], "val")
        results = [Training.of(json.loads((folder / "result.json").read_text())) for folder in folders]
        trainings = dict(zip([model.first.model for model in models], results, strict=True))
        table: pd.DataFrame = untrained_table(models, trainings, minimum_steps)
        return dict(zip(table["encoder"], table["reason"], strict=True))


@pytest.fixture(scope="module")
def ecgs(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("ecgs"), "ecg")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    study = Study(tmp_path_factory.mktemp("images"), "cmr")
    study.random = study.probed()
    return study


def test_a_vit_of_36_steps_from_random_weights_is_marked(ecgs):
    """36 steps at the authors' rate for the supervised ViT: 3e-5 x 16 / 4."""
    found = ecgs.marked(ecgs.fit(1.2e-4, 3, 8), ecgs.probed(), minimum_steps=300)
    assert found.keys() == {"supervised"}
    steps, *others = found["supervised"].split("; ")
    assert steps == "few steps: 36 where 300 are the least"
    assert any("at chance" in reason for reason in others)
    assert any("below a random encoder's probe" in reason for reason in others)
    assert "no spread: nearly the same prediction for everybody" in others


def test_the_same_vit_trained_for_long_enough_is_not_marked(ecgs):
    assert ecgs.marked(ecgs.fit(1e-3, 30, 8), ecgs.probed(), minimum_steps=300) == {}


def test_a_resnet_at_a_rate_at_which_nothing_moves_is_marked_by_its_scores_alone(images):
    """base_lr 3.0e-6 of the fine-tuning of pre-trained encoders, at batches of 16, from random weights."""
    found = images.marked(images.fit(1.2e-5, 10, 16), images.random, minimum_steps=0)
    assert found.keys() == {"cmr_supervised"} and "below a random encoder's probe" in found["cmr_supervised"]


def test_the_same_resnet_at_a_rate_for_random_weights_is_not_marked(images):
    assert images.marked(images.fit(1e-3, 10, 16), images.random, minimum_steps=0) == {}

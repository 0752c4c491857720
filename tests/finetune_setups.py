"""Small set-ups for tests of fine-tuning and probing: 48 subjects, 24 to train on, networks of a second."""

import numpy as np
import torch

from cmr2ecg.loading.paired_data import PairedData, View
from cmr2ecg.training.fit.finetune import Fold, Setup
from cmr2ecg.training.fit.targets import task_of

SETTINGS = {
    "seeds": [0, 1],
    "epochs": 4,
    "minimum_steps": 1,
    "validation_interval": 1,
    "batch_size": 8,
    "base_lr": 3e-3,
    "lr_reference_batch": 8,
    "warmup_fraction": 0.05,
    "weight_decay": 0.05,
    "betas": [0.9, 0.999],
    "layer_decay": 0.9,
    "drop_path": 0.1,
    "label_smoothing": 0.1,
    "patience": 100,
    "patience_tolerance": 0.0,
    "pooling": "clip",
    "random_crop": False,
    "evaluation_crops": 1,
    "keep_checkpoints": "best",
    "augment": {
        "surrogate": 0.075,
        "surrogate_probability": 0.5,
        "noise": 0.05,
        "noise_kind": "additive",
        "rescale": 0.05,
    },
    "cmr_augment": {
        "flip": 0.5,
        "rotate_degrees": 10,
        "rotate_probability": 0.5,
        "brightness": 0.05,
        "contrast": 0.05,
        "saturation": 0.05,
        "crop_scale": 0.9,
    },
}


def fold(folder, first: int, count: int, field: str = "ecg", image_size: int | None = None, values=None) -> Fold:
    """Subjects first..first+count of the small dataset; labels alternate unless values (n, outputs) are given."""
    eids = 9000001 + np.arange(first, first + count)
    data = PairedData(folder / "dataset.h5", eids, (field,), memory_mb=100, image_size=image_size)
    labels = (np.arange(first, first + count) % 2)[:, None].astype(float)
    return Fold(View(data, np.arange(count)), eids, labels if values is None else values)


def setup_of(
    models: dict, train: Fold, val: Fold, encoder: str = "supervised", target: str = "cad", start=None
) -> Setup:
    return Setup(encoder, models, start, task_of(target), train, val, torch.device("cpu"), "fp32")

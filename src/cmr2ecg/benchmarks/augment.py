"""Augmentation of a batch of 128: whole batch against the usual chain per sample (NumPy, torchvision)."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.benchmarks.settings import paper_settings

BATCH, SAMPLES, IMAGE_SIZE = 128, 2500, 64
MMCL = paper_settings()["pretrain"]["mmcl"]
ECG, CMR = MMCL["ecg_augment"], MMCL["cmr_augment"]


def run() -> list[dict[str, Any]]:
    """Return augment_vs_per_sample (ECG and image, as multimodal training needs), each alone, and shares of copying."""
    generator = torch.Generator().manual_seed(0)
    ecg = torch.randn(BATCH, 12, 5000, generator=generator)
    cmr = torch.rand(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    per_image = torchvision_chain()

    def ours_ecg(x: Tensor) -> Tensor:
        return augment_ecg(random_crop(x, SAMPLES, generator), ECG, generator)

    def ours_cmr(x: Tensor) -> Tensor:
        return augment_cmr(x, CMR, generator)

    ecg_times = _milliseconds(lambda: ours_ecg(ecg), lambda: numpy_batch(ecg), lambda: _one_by_one(ours_ecg, ecg))
    cmr_times = _milliseconds(
        lambda: ours_cmr(cmr),
        lambda: torch.stack([per_image(x) for x in cmr]),
        lambda: _one_by_one(ours_cmr, cmr),
    )
    both = [a + b for a, b in zip(ecg_times, cmr_times, strict=True)]
    size = f"{BATCH} samples"
    copies = _milliseconds(ecg[..., :SAMPLES].clone, cmr.clone)
    limits = {"ecg": (ecg_times[0], copies[0]), "cmr": (cmr_times[0], copies[1])}
    return [
        *(_of_copy(name, *times) for name, times in limits.items()),
        _row("augment_vs_per_sample", both, f"{size}: ECG and image; plain: NumPy and torchvision, one by one"),
        _row(
            "augment_vs_per_sample_ecg",
            ecg_times,
            f"{size}, 12 x 5000 -> 12 x 2500; plain: NumPy, one by one",
        ),
        _row(
            "augment_vs_per_sample_cmr",
            cmr_times,
            f"{size}, 3 x {IMAGE_SIZE} x {IMAGE_SIZE}; plain: torchvision.transforms.v2, one by one",
        ),
    ]


def numpy_batch(ecg: Tensor) -> Tensor:
    """Augment each record (12, 5000) by itself, as a data set's `__getitem__` commonly does."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.stack([_numpy_record(record, rng) for record in ecg.numpy()]))


def _numpy_record(record: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    start = rng.integers(0, record.shape[1] - SAMPLES + 1)
    x = record[:, start : start + SAMPLES]
    if rng.random() < ECG["surrogate_probability"]:
        spectrum = np.fft.rfft(x)
        angle = ECG["surrogate"] * 2 * np.pi * rng.random((SAMPLES - 1) // 2)
        spectrum[:, 1 : 1 + len(angle)] *= np.exp(1j * angle)
        x = np.fft.irfft(spectrum, n=SAMPLES)
    x = x + rng.normal(0, ECG["noise"], x.shape)
    return (x * rng.normal(1, ECG["rescale"])).astype(np.float32)


def torchvision_chain() -> Callable[[Tensor], Tensor]:
    """Return torchvision's transforms for one image (3, H, W), in the order of the paper."""
    turn = v2.RandomRotation(CMR["rotate_degrees"], interpolation=InterpolationMode.BILINEAR)
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(CMR["flip"]),
            v2.RandomApply([turn], CMR["rotate_probability"]),
            v2.ColorJitter(CMR["brightness"], CMR["contrast"], CMR["saturation"]),
            v2.RandomResizedCrop((IMAGE_SIZE, IMAGE_SIZE), scale=(CMR["crop_scale"], 1.0)),
        ]
    )


def _one_by_one(augment: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([augment(x[i : i + 1]) for i in range(len(x))])


def _milliseconds(*ways: Callable[[], Tensor], rounds: int = 10) -> list[float]:
    """Return the shortest time of each way, the one least disturbed by others; they take turns."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + 1):
        for way, record in zip(ways, times, strict=True):
            begin = time.perf_counter()
            way()
            record.append(1000 * (time.perf_counter() - begin))
    return [min(record[1:]) for record in times]


def _of_copy(name: str, ours: float, copy: float) -> dict[str, Any]:
    note = f"of reading and writing a batch of {BATCH} once; {torch.get_num_threads()} thread(s)"
    return compared(f"augment_{name}_of_copy", 1000 / ours, 1000 / copy, "batches/s", note)


def _row(name: str, times: list[float], note: str) -> dict[str, Any]:
    ours, plain, single = times
    return {
        "name": name,
        "ours": round(ours, 2),
        "plain": round(plain, 2),
        "unit": "ms per batch",
        "ratio": round(plain / ours, 2),
        "note": f"{note}; our own functions called with one sample at a time: {single:.0f} ms; "
        f"{torch.get_num_threads()} thread(s)",
    }


if __name__ == "__main__":
    alone(run, __doc__)

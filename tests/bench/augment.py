"""Augmentation of a batch of 128: whole batch against the usual chain per sample (NumPy, torchvision)."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from paper_settings import paper_settings
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from bench.rows import compared, seconds_of
from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.ecg import augment_ecg, random_crop

BATCH, SAMPLES, IMAGE_SIZE, ROUNDS = 128, 2500, 64, 10
MMCL = paper_settings()["pretrain"]["mmcl"]
ECG, CMR = MMCL["ecg_augment"], MMCL["cmr_augment"]


def run() -> Iterator[dict]:
    """Yield augment_vs_per_sample (ECG and image, as multimodal training needs), each alone, and shares of copying."""
    generator = torch.Generator().manual_seed(0)
    ecg = torch.randn(BATCH, 12, 5000, generator=generator)
    cmr = torch.rand(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)

    def ours_ecg(x: Tensor) -> Tensor:
        return augment_ecg(random_crop(x, SAMPLES, generator), ECG, generator)

    def ours_cmr(x: Tensor) -> Tensor:
        return augment_cmr(x, CMR, generator)

    size, square = f"{BATCH} samples", f"3 x {IMAGE_SIZE} x {IMAGE_SIZE}"
    times = {
        "ecg": milliseconds(ours_ecg, per_record(), ecg, ecg[..., :SAMPLES].clone),
        "cmr": milliseconds(ours_cmr, torchvision_chain(), cmr, cmr.clone),
    }
    notes = {"ecg": f"{size}, 12 x 5000 -> 12 x {SAMPLES}; plain: NumPy, one by one"}
    notes["cmr"] = f"{size}, {square}; plain: torchvision.transforms.v2, one by one"
    threads = f"{torch.get_num_threads()} thread(s)"
    for name, (ours, _, _, copy) in times.items():
        note = f"of reading and writing a batch of {BATCH} once; {threads}"
        yield compared(f"augment_{name}_of_copy", 1000 / ours, 1000 / copy, "batches/s", note)
    both = [sum(pair) for pair in zip(*times.values(), strict=True)]
    rows = {"": (both, f"{size}: ECG and image; plain: NumPy and torchvision, one by one")}
    rows |= {f"_{name}": (times[name], note) for name, note in notes.items()}
    for name, ((ours, plain, single, _), note) in rows.items():
        note += f"; our own functions called with one sample at a time: {single:.0f} ms; {threads}"
        yield compared(f"augment_vs_per_sample{name}", ours, plain, "ms per batch", note, less=True)


def milliseconds(ours: Callable, per_sample: Callable, x: Tensor, copy: Callable) -> list[float]:
    """Return the time of a batch: ours, one sample at a time, ours with one sample at a time, and copied."""
    ways = (
        lambda: ours(x),
        lambda: torch.stack([per_sample(sample) for sample in x]),
        lambda: torch.cat([ours(sample[None]) for sample in x]),
        copy,
    )
    return [1000 * seconds for seconds in seconds_of(*ways, rounds=ROUNDS)]


def per_record() -> Callable[[Tensor], Tensor]:
    """Return the augmentation of one record (12, 5000) as a data set's `__getitem__` commonly has it."""
    rng = np.random.default_rng(0)

    def augment(record: Tensor) -> Tensor:
        start = rng.integers(0, record.shape[1] - SAMPLES + 1)
        x = record.numpy()[:, start : start + SAMPLES]
        if rng.random() < ECG["surrogate_probability"]:
            spectrum = np.fft.rfft(x)
            angle = ECG["surrogate"] * 2 * np.pi * rng.random((SAMPLES - 1) // 2)
            spectrum[:, 1 : 1 + len(angle)] *= np.exp(1j * angle)
            x = np.fft.irfft(spectrum, n=SAMPLES)
        x = x + rng.normal(0, ECG["noise"], x.shape)
        return torch.from_numpy((x * rng.normal(1, ECG["rescale"])).astype(np.float32))

    return augment


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

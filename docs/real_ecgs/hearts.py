"""The heart finder on ACDC's segmented stacks, of which there are two phases: a cine is blended from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.study.settings.recordings import CropCmr

RIGHT, WALL, LEFT = 1, 2, 3  # labels
FRAMES = 20
MARGIN_MM = 5.0


def measure_all(folder: Path, field_mm: float) -> pd.DataFrame:
    """Return a row a subject, see `measure`.

    Args:
        folder: of patientNNN_frame01.h5 and frame02.
        field_mm: assumed length of the longer side of the frame; the files do not state it.
    """
    return pd.DataFrame([measure(*subject, field_mm) for subject in subjects(folder)])


def subjects(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and labels (2, rows, columns) of each subject's middle slice, end-diastole first."""
    for path in sorted(folder.glob("patient*_frame01.h5")):
        images, masks = [], []
        for file in (path, path.with_name(path.name.replace("frame01", "frame02"))):
            with h5py.File(file) as stack:
                middle = len(stack["image"]) // 2
                images.append(stack["image"][middle].astype(np.float32))
                masks.append(stack["label"][middle])
        yield np.stack(images), np.stack(masks)


def blend(images: np.ndarray) -> np.ndarray:
    """Return a cine (FRAMES, rows, columns) from end-diastole to end-systole and back, as half cosines."""
    share = (1 - np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)) / 2
    return (1 - share[:, None, None]) * images[0] + share[:, None, None] * images[1]


def measure(images: np.ndarray, masks: np.ndarray, field_mm: float) -> dict[str, Any]:
    """Return what was found of one subject, measured on the segmentation at end-diastole.

    found; centre: distance of the found from the segmented left ventricle's centre, in diameters of the heart (the
    circle of both ventricles' area); in_pool: the found centre lies in the left ventricle's cavity; left, right: the
    box holds all of the left ventricle with its wall, all of the right ventricle, with at least 5 mm to its edge
    (left_5, right_5); frame: the frame called end-systole is nearer to that of the segmentation than to end-diastole.
    """
    step = field_mm / max(images.shape[1:])
    crop = {name: value for name, value in CropCmr().model_dump().items() if not name.startswith(("minimum_", "max_"))}
    cine = Cine(np.rint(blend(images) * 4095).astype(np.uint16), (step, step), 0, 1, 0)
    try:
        image = crop_heart(cine, **crop)
    except Rejection:
        return dict.fromkeys(("found", "in_pool", "left", "left_5", "right", "right_5", "systole"), False) | {
            "centre": np.inf
        }
    diastole = masks[0]
    cavity, heart = diastole == LEFT, diastole > 0
    truth = np.argwhere(cavity).mean(axis=0)
    diameter = 2 * np.sqrt(heart.sum() / np.pi)
    row, column = np.rint(image.centre).astype(int)
    left, right = (margin(image.box, mask) * step for mask in (cavity | (diastole == WALL), diastole == RIGHT))
    return {
        "found": True,
        "centre": float(np.hypot(*(np.array(image.centre) - truth)) / diameter),
        "in_pool": bool(cavity[row, column]),
        "left": left >= 0,
        "left_5": left >= MARGIN_MM,
        "right": right >= 0,
        "right_5": right >= MARGIN_MM,
        "systole": bool(abs(image.frames[0] - FRAMES / 2) < FRAMES / 4),
    }


def margin(box: tuple[float, float, float, float], mask: np.ndarray) -> float:
    """Return how many pixels the outermost of a mask's pixels lie within a box (row, column, height, width).

    Negative outside, infinite for an empty mask.
    """
    if not mask.any():
        return np.inf
    row, column, height, width = box
    low, high = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    return float(min(low[0] - row, row + height - high[0], low[1] - column, column + width - high[1]))

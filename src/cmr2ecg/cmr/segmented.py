"""Find the heart by a segmentation of the short-axis stack, as written by ukbb_cardiac (Bai et al. 2018).

Labels: 1 left ventricular cavity, 2 myocardium, 3 right ventricular cavity. The box covers all three.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from cmr2ecg.cmr.heart import Heart, pick_frames
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.cmr.ventricle import POOL_MM2, pool_area
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.raw.segmentation import CINES, ENDINGS, PHASES

if TYPE_CHECKING:
    from cmr2ecg.cmr.label_image import Plane

VENTRICLE, BOTH = 1, (1, 2, 3)
SAME_IMAGE = 0.02  # mean difference of one frame from its copy in NIfTI, as a share of its standard deviation


def segmented_heart(folder: str, cine: Cine) -> Heart:
    """Return the heart of a cine by the label images in `folder`.

    - Labels of every frame (seg_sa): end-systole and end-diastole have the smallest and largest left ventricle of the
      whole stack.
    - Labels of two frames (seg_sa_ED, seg_sa_ES): their frames are those that equal the accompanying images (sa_ED,
      sa_ES); without these, the phases are measured in the cine around the labelled ventricle.

    Raises:
        Rejection: damaged or absurdly large, of another length, elsewhere in the patient, or without a ventricle in
            this slice.
    """
    path = _first_file(folder, CINES)
    if path:
        return _by_beat(path, cine)
    labels = {phase: plane for phase in PHASES if (plane := _phase_labels(folder, phase, cine)) is not None}
    if not labels:
        raise Rejection("no segmentation in the folder")
    pool = _checked(labels["ed" if "ed" in labels else "es"] == VENTRICLE, cine)
    both = np.any([np.isin(plane, BOTH) for plane in labels.values()], axis=0)
    area = pool_area(cine.pixels.astype(np.float32), pool, cine.spacing_mm)
    systole, diastole = (_frame_of(folder, phase, cine) for phase in ("es", "ed"))
    found = None if systole is None or diastole is None else (systole, diastole)
    return Heart(_centre(pool), _middle(both), pool, area, found)


def _by_beat(path: str, cine: Cine) -> Heart:
    frames, shape = len(cine.pixels), cine.pixels.shape[1:]
    areas, volumes, often, both = np.zeros(frames), np.zeros(frames), np.zeros(shape), np.zeros(shape, bool)
    index = -1
    for index, (labels, volume) in enumerate(_planes(path, cine)):
        if index == frames:
            break
        mask = labels == VENTRICLE
        areas[index], volumes[index] = mask.sum(), np.count_nonzero(volume == VENTRICLE)
        often += mask
        both |= np.isin(labels, BOTH)
    if index != frames - 1:
        raise Rejection("segmentation of another length")
    pool = _checked(often > frames / 2, cine)
    return Heart(_centre(pool), _middle(both), pool, areas * float(np.prod(cine.spacing_mm)), pick_frames(volumes))


def _phase_labels(folder: str, phase: str, cine: Cine) -> np.ndarray | None:
    """Return the labels (rows, columns) of one phase, None if there are none."""
    path = _first_file(folder, PHASES[phase])
    return None if path is None else next(iter(_planes(path, cine))).values


def _frame_of(folder: str, phase: str, cine: Cine) -> int | None:
    """Return the frame that equals a phase's image in the labels' folder, None if there is none."""
    path = _first_file(folder, (f"sa_{phase.upper()}",))
    if path is None:
        return None
    image = next(iter(_planes(path, cine))).values
    different = np.abs(cine.pixels - image.astype(np.float32)).mean(axis=(1, 2))
    if cine.taken:
        different[np.array(cine.taken) != np.arange(len(different))] = np.inf  # copies
    best = int(different.argmin())
    return best if different[best] <= SAME_IMAGE * max(float(image.std()), 1e-6) else None


def _planes(path: str, cine: Cine) -> Iterator["Plane"]:
    from cmr2ecg.cmr.label_image import planes  # nibabel is slow to import, and few subjects have segmentations

    return planes(path, cine.place, cine.pixels.shape[1:], cine.spacing_mm)


def _first_file(folder: str, stems: Sequence[str]) -> str | None:
    paths = (os.path.join(folder, stem + ending) for stem in stems for ending in ENDINGS)
    return next(filter(os.path.isfile, paths), None)


def _checked(pool: np.ndarray, cine: Cine) -> np.ndarray:
    if pool.sum() * float(np.prod(cine.spacing_mm)) < POOL_MM2[0] / 2:
        raise Rejection("no ventricle in the segmentation")
    return pool


def _centre(pool: np.ndarray) -> tuple[float, float]:
    row, column = ndimage.center_of_mass(pool)
    return float(row), float(column)


def _middle(mask: np.ndarray) -> tuple[float, float]:
    """Return row, column half-way between the mask's edges."""
    row, column = (float(np.flatnonzero(mask.any(axis=axis))[[0, -1]].mean()) for axis in (1, 0))
    return row, column

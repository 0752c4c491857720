"""Which test subjects the similarity maps are shown of: each kind is a rule on quality measures, not a choice by eye.

- random: drawn with a seed.
- occluded: the left ventricle's middle is darkest, see `occlusion`. Blood is the brightest tissue of these images, so
  a dark middle means that metal, a fold or the frame's edge hides it.
- motion: the heart's edges are weakest, see `blur`; breathing and an irregular rhythm smear them.
- extreme: the blood-pool areas of crop_cmr's QC table at end-diastole and end-systole are farthest from the usual, see
  `extremeness`.

The rules look at images alone: no label, no prediction and no similarity enters. Of each kind the subjects with the
highest measure are taken; nobody is taken twice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude

from cmr2ecg.runtime.command import InputError

MIDDLE = 0.12  # radius of the ventricle's middle, as a share of the crop's side; 17 mm of 142
HEART = 0.25  # half the side of the square that holds the ventricle
EDGE = 0.015  # scale at which edges are measured; 2 mm of 142
BRIGHT = 95  # percentile of the crop that stands for bright blood
CASES = ("random", "occluded", "motion", "extreme")
CENTRE = (0.5, 0.5)

Place = tuple[float, float]  # row, column in shares of the crop


def occlusion(crop: NDArray, end_diastole: int, ventricle: Place = CENTRE) -> float:
    """Return 1 - mean brightness of the left ventricle's middle at end-diastole over the crop's bright pixels.

    High where the ventricle is hidden, 1 where it lies outside the crop.
    """
    frame = crop[end_diastole].astype(np.float32)
    at = np.reshape(ventricle, (2, 1, 1)) * len(frame) - 0.5
    near = np.hypot(*(np.indices(frame.shape) - at)) <= MIDDLE * len(frame)
    middle = frame[near].mean() if near.any() else 0.0
    return 1 - float(middle) / max(float(np.percentile(frame, BRIGHT)), 1e-6)


def blur(crop: NDArray, ventricle: Place = CENTRE) -> float:
    """Return minus the heart's root-mean-square gradient over the std of its brightness, averaged over the channels.

    The heart is a square around the ventricle, moved into the crop where it juts out.

    The mean gradient would not do: smearing an edge makes it weaker and wider, which leaves the sum as it was.
    """
    size = crop.shape[-1]
    side = round(2 * HEART * size)
    row, column = (min(max(round((at - HEART) * size), 0), size - side) for at in ventricle)
    heart = crop[:, row : row + side, column : column + side].astype(np.float32)
    edges = [gaussian_gradient_magnitude(part, EDGE * size) for part in heart]
    pairs = zip(edges, heart, strict=True)
    return -float(np.mean([np.sqrt(np.square(edge).mean()) / max(float(part.std()), 1e-6) for edge, part in pairs]))


def extremeness(areas: NDArray) -> NDArray:
    """Return the distance (n,) of blood-pool areas (n, 2) in mm2 from their mean, in SDs of the logarithms."""
    logs = np.log(np.maximum(areas, 1.0))
    return np.sqrt((((logs - logs.mean(axis=0)) / np.maximum(logs.std(axis=0), 1e-9)) ** 2).sum(axis=1))


def pick_cases(measures: pd.DataFrame, counts: Mapping[str, int], seed: int) -> list[tuple[str, int]]:
    """Return (kind, eid) of the cases, in the order of CASES.

    Args:
        measures: eid, occluded, motion, extreme of the subjects to choose from, in order of eid.
        counts: how many of each kind.
        seed: of the random ones.
    """
    shuffled = np.random.default_rng(seed).permutation(measures["eid"].to_numpy())
    chosen: list[tuple[str, int]] = []
    for kind in CASES:
        ranked = measures.sort_values(kind, ascending=False, kind="stable")["eid"] if kind != "random" else shuffled
        free = [int(eid) for eid in ranked if eid not in {taken for _, taken in chosen}]
        chosen += [(kind, eid) for eid in free[: counts.get(kind, 0)]]
    return chosen


def places_of(shards: Sequence[Path], eids: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return {eid: (box (4,), frames (3,))} of the subjects wanted.

    box: row0, column0, height, width in pixels of the raw frame (edges). frames: index in time of each channel.

    Raises InputError if some are in no shard; the message counts them.
    """
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for shard in shards:
        with h5py.File(shard) as file:
            there, boxes, frames = (file[name][:] for name in ("eid", "box", "frames"))
        for row in np.flatnonzero(np.isin(there, eids)):
            found[int(there[row])] = (boxes[row], frames[row])
    if len(found) < len(eids):
        raise InputError(
            f"{shards[0].parent}: {len(eids) - len(found)} of {len(eids)} subjects of the split have no box; "
            "run crop_cmr again"
        )
    return found

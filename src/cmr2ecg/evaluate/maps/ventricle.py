"""Where the left ventricle lies in a cropped image: the planted truth of the demo, or a segmentation of real data.

Cavity and myocardium at end-diastole count as the left ventricle. A mask is carried into the crop by the box that was
cut out of the raw frame: place (row, column) of a map of H x W covers rows row0 + height * [row, row + 1] / H of the
frame, and columns likewise, whatever size the crop was stored at. A place's coverage is the share of FINE x FINE points
in it that lie in the mask.
"""

import os
from collections.abc import Callable, Mapping
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.segmentation import CINES, ENDINGS, PHASES
from cmr2ecg.ukb.short_axis import Cine, read_middle_slice

FINE = 16
CAVITY, MYOCARDIUM = 1, 2  # labels of Bai et al. 2018
FIRST_VISIT = 2  # the planted truth is that of the first imaging visit; a second one lies elsewhere

Places = Mapping[int, tuple[NDArray, NDArray]]  # eid -> box (4,), frames (3,)
Cover = Callable[[tuple[int, int]], NDArray]  # grid -> share of each place that the ventricle covers


def planted_ventricles(truth: pd.DataFrame, visits: pd.DataFrame, places: Places) -> dict[int, Cover]:
    """Return the discs planted by simulate_cohort, epicardium at end-diastole, for subjects seen at the first visit.

    Args:
        truth: truth.parquet; eid, centre_row, centre_column, epicardial_radius_px.
        visits: visits.parquet of index_cohort; eid, instance.
        places: box of each subject wanted.
    """
    first = visits.loc[visits["instance"] == FIRST_VISIT, "eid"]
    known = truth[truth["eid"].isin(first) & truth["eid"].isin(list(places))]
    columns = ["eid", "centre_row", "centre_column", "epicardial_radius_px"]
    return {
        int(eid): lambda grid, box=places[int(eid)][0], row=row, column=column, radius=radius: disc_coverage(
            box, (row, column), radius, grid
        )
        for eid, row, column, radius in known[columns].itertuples(index=False)
    }


def segmented_ventricles(
    visits: pd.DataFrame, places: Places, end_diastole: int, limits: Mapping[str, float]
) -> dict[int, Cover]:
    """Return the segmented ventricles of the subjects that have a segmentation which can be used.

    Args:
        visits: eid, cmr_path, segmentation (folder, "" for none).
        places: box and frames of each subject wanted.
        end_diastole: the crop's channel that shows end-diastole.
        limits: of `read_middle_slice`.
    """
    found: dict[int, Cover] = {}
    wanted = visits[visits["eid"].isin(list(places)) & (visits["segmentation"] != "")]
    for eid, path, folder in wanted[["eid", "cmr_path", "segmentation"]].itertuples(index=False):
        box, frames = places[int(eid)]
        try:
            mask = segmented_ventricle(folder, read_middle_slice(path, **limits), int(frames[end_diastole]))
        except Rejection:
            continue
        found[int(eid)] = lambda grid, box=box, mask=mask: mask_coverage(box, mask, grid)
    return found


def disc_coverage(box: NDArray, centre: tuple[float, float], radius: float, grid: tuple[int, int]) -> NDArray:
    """Return the share (height, width) of each place that a disc covers.

    Args:
        box: row0, column0, height, width in pixels of the raw frame, edges.
        centre: row and column of the disc's centre; whole numbers are the middles of pixels.
        radius: pixels.
        grid: places down and across.
    """
    rows, columns = _points(box, grid)
    down, across = rows - (centre[0] + 0.5), columns - (centre[1] + 0.5)
    return _share(down[:, None] ** 2 + across[None, :] ** 2 <= radius**2, grid)


def mask_coverage(box: NDArray, mask: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray:
    """Return the share (height, width) of each place that a mask on the raw frame covers; outside the frame is none."""
    inside = []
    for points, size in zip(_points(box, grid), mask.shape, strict=True):
        index = np.floor(points).astype(int)
        inside.append((np.clip(index, 0, size - 1), (index >= 0) & (index < size)))
    (rows, row_there), (columns, column_there) = inside
    return _share(mask[rows][:, columns] & row_there[:, None] & column_there[None, :], grid)


def segmented_ventricle(folder: str, cine: Cine, end_diastole: int) -> NDArray[np.bool_]:
    """Return cavity and myocardium at end-diastole (rows, columns) from the label images in `folder`.

    Raises:
        Rejection: no labels of end-diastole, damaged, elsewhere, or no ventricle in this slice.
    """
    from cmr2ecg.ukb.label_image import planes  # nibabel takes long to import, and few have segmentations

    paths = [
        (os.path.join(folder, stem + ending), frame)
        for stems, frame in ((CINES, end_diastole), (PHASES["ed"], 0))
        for stem in stems
        for ending in ENDINGS
    ]
    for path, frame in paths:
        if os.path.isfile(path):
            found = planes(path, cine.place, cine.pixels.shape[1:], cine.spacing_mm)
            plane = next(islice(found, frame, None), None)
            if plane is None:
                raise Rejection("segmentation of another length")
            mask = np.isin(plane.values, (CAVITY, MYOCARDIUM))
            if not mask.any():
                raise Rejection("no ventricle in the segmentation")
            return mask
    raise Rejection("no segmentation in the folder")


def _points(box: NDArray, grid: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Return rows and columns in the raw frame, edges at whole numbers, of FINE points a place."""
    return tuple(
        start + (np.arange(places * FINE) + 0.5) * length / (places * FINE)
        for start, length, places in zip(box[:2], box[2:], grid, strict=True)
    )


def _share(points: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray:
    return points.reshape(grid[0], FINE, grid[1], FINE).mean(axis=(1, 3))

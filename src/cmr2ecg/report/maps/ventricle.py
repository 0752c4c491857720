"""Where the left ventricle and an infarct lie in a cropped image: planted truth, or a segmentation of real data.

Cavity and myocardium at end-diastole count as the left ventricle. An infarct, known of simulated subjects alone, is a
sector of the myocardium; what is left of the ring is the remote myocardium. A mask is carried into the crop by the box
that was cut out of the raw frame: place (row, column) of a map of H x W covers rows row0 + height * [row, row + 1] / H
of the frame, and columns likewise, whatever size the crop was stored at. A place's coverage is the share of its points,
FINE x FINE or more, that lie in the mask.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.cmr.short_axis import Cine, read_middle_slice
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.raw.segmentation import CINES, ENDINGS, PHASES

FINE = 16  # about 1 mm apart on a map of 7 x 7
POINTS = 128  # at least so many across a map, so that a sector 5 mm thick is not lost between them
CAVITY, MYOCARDIUM = 1, 2  # labels of Bai et al. 2018
WHOLE = (0.0, 360.0)  # degrees
INFARCT_COLUMNS = [
    *("eid", "centre_row", "centre_column", "lv_radius_px", "epicardial_radius_px"),
    *("infarct_inner_px", "infarct_outer_px", "infarct_from_degrees", "infarct_to_degrees"),
]
FIRST_VISIT = 2  # the planted truth is that of the first imaging visit; a second one lies elsewhere

Places = Mapping[int, tuple[NDArray, NDArray]]  # eid -> box (4,), frames (3,)
Cover = Callable[[tuple[int, int]], NDArray]  # grid -> share of each place that the ventricle covers
Lesion = tuple[Cover, Cover]  # of the infarct and of the remote myocardium


def planted_ventricles(truth: pd.DataFrame, visits: pd.DataFrame, places: Places) -> dict[int, Cover]:
    """Return the discs planted by simulate_cohort, epicardium at end-diastole, for subjects seen at the first visit.

    Args:
        truth: truth.parquet; eid, centre_row, centre_column, epicardial_radius_px.
        visits: visits.parquet of index_cohort; eid, instance.
        places: box of each subject asked for.
    """
    found: dict[int, Cover] = {}
    columns = ["eid", "centre_row", "centre_column", "epicardial_radius_px"]
    for eid, *centre, radius in _seen_first(truth, visits, places)[columns].itertuples(index=False):
        found[int(eid)] = partial(sector_coverage, places[int(eid)][0], centre, (0, radius), WHOLE)
    return found


def planted_infarcts(truth: pd.DataFrame, visits: pd.DataFrame, places: Places) -> dict[int, Lesion]:
    """Return infarct and remote myocardium at end-diastole of subjects seen at the first visit who have an infarct.

    Args:
        truth: truth.parquet; eid, centre_row, centre_column, lv_radius_px, epicardial_radius_px, infarct_segment and so
            on (docs/synthetic_cohort.md). One without infarct_segment has no infarcts.
        visits, places: as of `planted_ventricles`.
    """
    if "infarct_segment" not in truth:
        return {}
    found: dict[int, Lesion] = {}
    known = _seen_first(truth, visits, places)
    known = known.loc[known["infarct_segment"] > 0, INFARCT_COLUMNS]
    for eid, row, column, *radii, first, last in known.itertuples(index=False, name=None):
        covered = partial(sector_coverage, places[int(eid)][0], (row, column))
        found[int(eid)] = partial(covered, radii[2:], (first, last)), partial(covered, radii[:2], (last, first + 360))
    return found


def _seen_first(truth: pd.DataFrame, visits: pd.DataFrame, places: Places) -> pd.DataFrame:
    first = visits.loc[visits["instance"] == FIRST_VISIT, "eid"]
    return truth[truth["eid"].isin(first) & truth["eid"].isin(list(places))]


def segmented_ventricles(
    visits: pd.DataFrame, places: Places, end_diastole: int, limits: Mapping[str, Any]
) -> dict[int, Cover]:
    """Return the segmented ventricles of the subjects that have a segmentation which can be used.

    Args:
        visits: eid, cmr_path, segmentation (folder, "" for none).
        places: box and frames of each subject asked for.
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
        found[int(eid)] = partial(mask_coverage, box, mask)
    return found


def sector_coverage(
    box: NDArray, centre: Sequence[float], radii: Sequence[float], degrees: Sequence[float], grid: tuple[int, int]
) -> NDArray:
    """Return the share (height, width) of each place that a sector of a ring covers; radii from 0 make it a disc.

    Args:
        box: row0, column0, height, width in pixels of the raw frame, edges.
        centre: row and column of the ring's centre; whole numbers are the middles of pixels.
        radii: inner and outer, pixels.
        degrees: first and last, counter-clockwise from the image's right; WHOLE for the whole ring.
        grid: places down and across.
    """
    rows, columns = _points(box, grid)
    up, across = (centre[0] + 0.5) - rows[:, None], columns[None, :] - (centre[1] + 0.5)
    radius, angle = np.hypot(up, across), np.rad2deg(np.arctan2(up, across))
    within = (radius >= radii[0]) & (radius <= radii[1])
    return _share(within & ((angle - degrees[0]) % 360 <= degrees[1] - degrees[0]), grid)


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
    from cmr2ecg.cmr.label_image import planes  # nibabel takes long to import, and few have segmentations

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
    """Return rows and columns in the raw frame, edges at whole numbers, of the points in all places."""
    counts = (places * _points_a_place(places) for places in grid)
    rows, columns = (
        start + (np.arange(count) + 0.5) * length / count
        for start, length, count in zip(box[:2], box[2:], counts, strict=True)
    )
    return rows, columns


def _points_a_place(places: int) -> int:
    return max(FINE, -(-POINTS // places))


def _share(points: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray:
    down, across = map(_points_a_place, grid)
    return points.reshape(grid[0], down, grid[1], across).mean(axis=(1, 3))

"""Order the slices of a short-axis stack from base to apex and find the middle one.

UK Biobank numbers slices from the base (`_b1`), and its own tools rely on the numbers. Here the positions in the
headers decide, and the QC table notes disagreements. Source: DICOM PS3.3, C.7.6.2 (image plane).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr2ecg.cmr.dicom import Header

TOWARDS_APEX = np.array([1.0, -1.0, -1.0]) / np.sqrt(3)  # left, front, down in DICOM's axes (left, back, up)
MIN_DIRECTION = 0.2  # cosine below which the stack's direction does not distinguish base and apex
PARALLEL = 0.996  # cosine of 5 degrees
SAME_MM = 1.0  # slices closer than this are at the same position
GAP = 1.5  # times the usual distance
MAX_PLACES = 50  # from base to apex in the usual distance; a stack has 8 to 13


@dataclass(frozen=True)
class Slice:
    """One slice: N of its series `_bN` (None in a mixed series), the header of one of its frames, its files."""

    number: int | None
    header: Header | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Stack:
    """Slices from base to apex, the index of the middle one, and irregularities."""

    slices: tuple[Slice, ...]
    middle: int
    notes: tuple[str, ...]


def order_slices(slices: Sequence[Slice]) -> Stack:
    """Sort slices from base to apex and choose the middle.

    The middle is the slice nearest to position (last + 1) // 2, in units of the usual slice distance from the base.
    Without gaps that is index n // 2, the slice of the same lab's code (paper §IV-A: the middle slice).

    - Positions decide. Without them, or if slices are not parallel, three at one position or metres apart, the numbers
      do, and a gap in them is a gap.
    - Of two slices at one position the one with the higher number, taken later, is used.
    """
    depths, notes = _depths(slices)
    order = sorted(range(len(slices)), key=lambda index: (depths[index], slices[index].number or 0))
    kept = [index for index, after in zip(order, [*order[1:], None], strict=True) if not _same(depths, index, after)]
    notes += ["slice taken again under another number"] if len(kept) < len(order) else []
    numbers = [slices[index].number for index in kept]
    notes += _number_notes([number for number in numbers if number is not None])
    places = _places(np.array([depths[index] for index in kept]))
    notes += ["gap in the stack"] if places[-1] > len(kept) - 1 else []
    middle = int(np.abs(places - (places[-1] + 1) // 2).argmin())
    return Stack(tuple(slices[index] for index in kept), middle, tuple(notes))


def depth_along(header: Header) -> float | None:
    """Return a frame's depth along its normal from base to apex, mm; None without a position."""
    plane = _plane(header)
    if plane is None:
        return None
    position, normal = plane
    return float(np.dot(position, normal * _sign(normal)))


def _depths(slices: Sequence[Slice]) -> tuple[list[float], list[str]]:
    """Return a depth for each slice that grows from base to apex, and notes."""
    numbers = [part.number for part in slices if part.number is not None]
    numbered, by_number = len(numbers) == len(slices), [float(part.number or 0) * 10 for part in slices]
    planes = [plane for part in slices if part.header and (plane := _plane(part.header))]
    if len(planes) < len(slices):
        return by_number, ["slice positions unknown"]
    normal = planes[0][1]
    if numbered and min(abs(float(other @ normal)) for _, other in planes) < PARALLEL:
        return by_number, ["slices not parallel"]
    depths = np.array([np.dot(position, normal) for position, _ in planes])
    if numbered and not _apart(depths):
        return by_number, ["slice positions do not fit"]
    sign = _sign(normal)
    if numbered and abs(normal @ TOWARDS_APEX) < MIN_DIRECTION:
        order = np.array(numbers, float)
        sign = -1.0 if np.sum((order - order.mean()) * depths) < 0 else 1.0
    return (sign * depths).tolist(), []


def _apart(depths: np.ndarray) -> bool:
    """Return whether positions are those of one stack: no three at one position, none beyond MAX_PLACES."""
    depths = np.sort(depths)
    if len(depths) == 1:
        return True
    steps = np.diff(depths)
    apart = steps[steps >= SAME_MM]
    crowded = not apart.size or (depths[2:] - depths[:-2] < SAME_MM).any()
    return not crowded and float(apart.sum() / np.median(apart)) < MAX_PLACES


def _plane(header: Header) -> tuple[tuple[float, ...], NDArray[np.float64]] | None:
    """Return a frame's position (3,) in mm and unit normal (3,), None if one of them is unusable."""
    if header.position is None or header.orientation is None:
        return None
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    length = float(np.linalg.norm(normal))
    return (header.position, normal / length) if 0.9 < length < 1.1 else None


def _sign(normal: np.ndarray) -> float:
    return -1.0 if normal @ TOWARDS_APEX < 0 else 1.0


def _same(depths: Sequence[float], index: int, after: int | None) -> bool:
    return after is not None and depths[after] - depths[index] < SAME_MM


def _number_notes(numbers: list[int]) -> list[str]:
    ascending = sorted(numbers)
    if len(numbers) > 1 and numbers == ascending[::-1]:
        return ["slices numbered from the apex", *_gap_notes(ascending)]
    if numbers != ascending:
        return ["slice numbers out of order", *_gap_notes(ascending)]
    return _gap_notes(ascending)


def _gap_notes(ascending: list[int]) -> list[str]:
    whole = not ascending or ascending[-1] - ascending[0] == len(ascending) - 1
    return [] if whole else ["gap in the slice numbers"]


def _places(depths: np.ndarray) -> np.ndarray:
    """Return each slice's position in units of the usual distance of neighbours; a gap skips positions."""
    steps = np.diff(depths)
    if not steps.size:
        return np.zeros(len(depths), int)
    usual = float(np.median(steps))
    jumps = np.where(steps > GAP * usual, np.rint(steps / usual), 1).astype(int)
    return np.concatenate([[0], jumps.cumsum()])

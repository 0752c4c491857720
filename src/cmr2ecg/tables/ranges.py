"""Implausible values: left empty and counted; a column of mostly such values is in another unit."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from cmr2ecg.runtime.command import InputError

log = logging.getLogger(__name__)

Ranges = Mapping[str, Sequence[float]]  # name -> lowest and highest plausible value
Counts = tuple[int, int]  # values outside the range, and all values


def within(values: np.ndarray, name: str, ranges: Ranges) -> tuple[np.ndarray, Counts]:
    """Return values (n,) with NaN outside the name's range, and the counts."""
    low, high = ranges.get(name, (-np.inf, np.inf))
    outside = (values < low) | (values > high)
    return np.where(outside, np.nan, values), (int(outside.sum()), int((~np.isnan(values)).sum()))


def check_range(name: str, counts: Counts, ranges: Ranges) -> None:
    """Raise if most values are outside the range; warn if a few are.

    Raises:
        InputError: names the covariate or phenotype; without naming the file.
    """
    outside, filled = counts
    if not outside:
        return
    low, high = ranges[name]
    what = f"{name}: {outside} of {filled} values are outside {low:g} to {high:g}"
    if outside > filled / 2:
        raise InputError(f"{what}; is it in another unit? Convert the column, or see read_tabular.ranges")
    log.warning("%s and left empty", what)

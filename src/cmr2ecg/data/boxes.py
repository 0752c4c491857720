"""Read heart boxes drawn by hand: csv files with eid, row0, column0, height, width in pixels of the raw frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.command import InputError

COLUMNS = ("row0", "column0", "height", "width")
LARGEST = 10_000  # pixels


def read_boxes(paths: Sequence[Path]) -> dict[int, tuple[float, float, float, float]]:
    """Return each subject's box; of several for one subject the last counts.

    Raises:
        InputError: if a column is missing or a cell is no sensible number; names raw.boxes.
    """
    boxes: dict[int, tuple[float, float, float, float]] = {}
    for path in paths:
        try:
            table = pd.read_csv(path, usecols=["eid", *COLUMNS], dtype=float)
        except (ValueError, OSError) as error:
            raise InputError(
                f"raw.boxes: {path} cannot be read as a csv file with the columns eid, {', '.join(COLUMNS)} of numbers"
            ) from error
        numbers = table[list(COLUMNS)].to_numpy()
        sound = np.isfinite(table).all(axis=1) & (abs(numbers) < LARGEST).all(axis=1)
        sound &= (table[["height", "width"]] >= 1).all(axis=1) & (table["eid"] % 1 == 0)
        if not sound.all():
            line = int(np.flatnonzero(~sound)[0]) + 2
            raise InputError(f"raw.boxes: line {line} of {path} holds no box; height and width are pixels, at least 1")
        boxes |= dict(zip(table["eid"].astype(int).tolist(), map(tuple, numbers.tolist()), strict=True))
    return boxes

"""Where the crops of chosen subjects come from: box and frames, as crop_cmr wrote them."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from cmr2ecg.runtime.command import InputError


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

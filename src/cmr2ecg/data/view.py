"""Some subjects of a data set that is already in memory: many fits share one copy."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from cmr2ecg.data.loading import PairedData


class View:
    """The subjects at `positions` (n,) of `data`, in that order, read as the data set itself is."""

    def __init__(self, data: PairedData, positions: np.ndarray) -> None:
        self.data, self.positions = data, np.asarray(positions)

    def __len__(self) -> int:
        return len(self.positions)

    def batch(self, index: np.ndarray) -> dict[str, Tensor]:
        """Return the subjects at `index` of this view."""
        return self.data.batch(self.positions[index])

    def batches(self, pieces: Sequence[np.ndarray]) -> Iterator[dict[str, Tensor]]:
        """Yield the batch of each piece, an array of positions in this view."""
        return self.data.batches([self.positions[piece] for piece in pieces])

"""ECGs and images of chosen subjects for training: held in memory if they fit, else read batch by batch."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cmr2ecg.loading.shard_reader import ShardReader
from cmr2ecg.runtime.command import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


class PairedData:
    """The rows of dataset.h5 for `eids`, in that order.

    Args:
        dataset: dataset.h5 with `eid` (n,), `ecg` (n, 12, 5000) and `cmr` (n, 3, 210, 210).
        eids: the subjects; each must be in the dataset.
        fields: "ecg", "cmr" or both.
        memory_mb: read everything at once if it takes no more than this, else stream from disk.
        image_size: images are resized to this many pixels a side, with antialiasing; None keeps them.
        images_of: eids (n,) of the subjects whose images are paired with these ECGs; None: each subject's own.
        also: a further file of other subjects with `eid` and the fields; None: there is none.

    `waited` counts the seconds that the consumer of `batches` spent waiting.
    """

    def __init__(
        self,
        dataset: Path,
        eids: np.ndarray,
        fields: Sequence[str],
        *,
        memory_mb: float,
        image_size: int | None = None,
        images_of: np.ndarray | None = None,
        also: Path | None = None,
    ) -> None:
        files = [h5py.File(path, "r") for path in (dataset, also) if path]
        self.fields, self.image_size, self.waited = tuple(fields), image_size, 0.0
        there = np.concatenate([file["eid"][:] for file in files])
        self.rows = rows_of(there, eids, dataset)
        self.image_rows = self.rows if images_of is None else rows_of(there, images_of, dataset)
        self.source = {field: ShardReader(files[0], field) for field in self.fields}
        for file in files[1:]:
            for field, source in self.source.items():
                source.append(ShardReader(file, field))
        size_mb = len(self.rows) * sum(self._bytes_per_row(field) for field in self.fields) / 1e6
        self.memory: dict[str, Tensor] | None = None
        if size_mb <= memory_mb:
            self.memory = self._concatenate(np.array_split(np.arange(len(self)), max(1, len(self) // 256)))

    def __len__(self) -> int:
        return len(self.rows)

    def _bytes_per_row(self, field: str) -> int:
        shape, item = self.source[field].shape, self.source[field].dtype.itemsize
        if field == "cmr" and self.image_size:
            shape = (shape[0], self.image_size, self.image_size)
        return int(np.prod(shape)) * item

    def _concatenate(self, chunks: Sequence[np.ndarray]) -> dict[str, Tensor]:
        parts = [self._read(chunk) for chunk in chunks]
        return {field: torch.cat([part[field] for part in parts]) for field in self.fields}

    def _read(self, index: np.ndarray) -> dict[str, Tensor]:
        rows = {"ecg": self.rows, "cmr": self.image_rows}
        batch = {field: torch.from_numpy(source.read(rows[field][index])) for field, source in self.source.items()}
        if self.image_size and "cmr" in batch and batch["cmr"].shape[-1] != self.image_size:
            size = (self.image_size, self.image_size)
            resized = interpolate(batch["cmr"].float(), size=size, mode="bilinear", antialias=True)
            batch["cmr"] = resized.to(batch["cmr"].dtype)
        return batch

    def batch(self, index: np.ndarray) -> dict[str, Tensor]:
        """Return the subjects at positions `index` as {"ecg": float32, "cmr": float16} tensors on the CPU."""
        if self.memory is None:
            return self._read(index)
        chosen = torch.from_numpy(np.asarray(index))
        return {field: values[chosen] for field, values in self.memory.items()}

    def batches(self, pieces: Sequence[np.ndarray]) -> Iterator[dict[str, Tensor]]:
        """Yield the batch of each piece, an array of positions; from disk, the next is read while this one is used."""
        ready = map(self.batch, pieces) if self.memory is not None else read_ahead(self.batch, pieces)
        while True:
            asked = time.perf_counter()
            batch = next(ready, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch


def in_turn(subjects: int, batch_size: int) -> list[np.ndarray]:
    """Return the positions of all subjects, in order, in pieces of `batch_size`; the last may be smaller."""
    return [np.arange(start, min(start + batch_size, subjects)) for start in range(0, subjects, batch_size)]


def rows_of(all_eids: np.ndarray, eids: np.ndarray, source: Path) -> np.ndarray:
    """Return the positions of `eids` in `all_eids`.

    Raises:
        InputError: if one is missing; the message counts them and names no subject.
    """
    positions = pd.Index(all_eids).get_indexer(np.asarray(eids))
    if (positions < 0).any():
        raise InputError(f"{source}: {int((positions < 0).sum())} subjects of the split are not in the dataset")
    return positions


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield read(item) for each item; one thread works one item ahead, so at most two results are held."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for item in items:
            following = pool.submit(read, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


class View:
    """The subjects at `positions` (n,) of `data`, in that order, with the same interface."""

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

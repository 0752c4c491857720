"""Write embeddings of many ECGs to one file, some thousand rows at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr2ecg.predict.records import shown
from cmr2ecg.runtime.files import atomic

ROWS = 2048  # held at a time
Piece = tuple[Sequence[Path | str], NDArray[np.float32]]  # names (n,) and embeddings (n, dim)


def write_embeddings(path: Path, pieces: Iterable[Piece]) -> int:
    """Write one row per ECG file and return their number; without any, nothing is written.

    Parquet has the columns file, e0, e1, ...; HDF5 `file` (n,) and `embedding` (n, dim).
    """
    pieces = grouped(pieces)
    first = next(pieces, None)
    if first is None:
        return 0
    kind, count = _parquet if path.suffix == ".parquet" else _hdf5, 0
    with atomic(path) as partial, kind(partial, first[1].shape[1]) as add:
        for names, values in chain([first], pieces):
            add([shown(name) for name in names], values)
            count += len(names)
    return count


def grouped(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the same rows in pieces of at least ROWS, except the last."""
    names: list[Path | str] = []
    values: list[NDArray[np.float32]] = []
    for some, rows in pieces:
        names += some
        values.append(rows)
        if len(names) >= ROWS:
            yield names, np.concatenate(values)
            names, values = [], []
    if names:
        yield names, np.concatenate(values)


@contextmanager
def _parquet(path: Path, dim: int) -> Iterator[Callable[[list[str], NDArray], None]]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([("file", pa.string()), *((f"e{k}", pa.float32()) for k in range(dim))])
    with ParquetWriter(path, schema) as file:
        yield lambda names, values: file.write_table(
            pa.table([pa.array(names, pa.string()), *(pa.array(column) for column in values.T.copy())], schema)
        )


@contextmanager
def _hdf5(path: Path, dim: int) -> Iterator[Callable[[list[str], NDArray], None]]:
    import h5py

    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        names = file.create_dataset("file", (0,), text, maxshape=(None,), chunks=(ROWS,))
        values = file.create_dataset("embedding", (0, dim), np.float32, maxshape=(None, dim), chunks=(256, dim))

        def add(some: list[str], rows: NDArray) -> None:
            for dataset, new in ((names, some), (values, rows)):
                dataset.resize(len(dataset) + len(new), axis=0)
                dataset[-len(new) :] = new

        yield add

"""Find traces of given subjects in files of any kind: tables, data sets, text, databases, archives, names."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBER = re.compile(rb"(?<!\d)(?<!\d\.)[1-9]\d{3,15}(?!\d)")  # whole: no decimals of a score, no padded offsets
DIGEST = re.compile(rb"(?<![0-9A-Fa-f])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{12,}")  # a run of its digits may look like an eid
PIECE = 16_000_000  # bytes of a file searched at a time
OVERLAP = 24  # bytes that a piece shares with the next, longer than any eid
FEW = 100  # eids that are searched one after the other
HDF5 = (".h5", ".hdf5")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every regular file below a folder, in order of name; symbolic links are not followed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def holds(path: Path, eids: np.ndarray) -> bool:
    """Return whether a file holds one of `eids` (n,) in its name, as text, or as a 64-bit integer.

    Parquet and HDF5 are compressed or large, so their columns of integers and text are read instead; of weights
    (safetensors) only names and metadata, since their offsets look like eids. A file with such a name that cannot be
    read as such is searched as bytes, like any other.
    """
    if _in_text(os.fsencode(path.name), eids):
        return True
    try:
        if path.suffix == ".parquet":
            return _in_parquet(path, eids)
        if path.suffix in HDF5:
            return _in_hdf5(path, eids)
        if path.suffix == ".safetensors":
            return _in_weights(path, eids)
    except (pa.ArrowException, OSError, ValueError, AttributeError):
        pass
    return _in_bytes(path, eids)


def _written(content: bytes, eids: np.ndarray) -> np.ndarray:
    """Return those of a few `eids` whose digits occur in `content`, of many all: a plain search is far faster."""
    return eids if len(eids) > FEW else np.array([eid for eid in eids.tolist() if b"%d" % eid in content], np.int64)


def _in_text(content: bytes, eids: np.ndarray) -> bool:
    if not len(eids):
        return False
    found = {int(digits) for digits in NUMBER.findall(DIGEST.sub(b"#", content))}
    return bool(found) and not found.isdisjoint(eids.tolist())


def _in_bytes(path: Path, eids: np.ndarray) -> bool:
    with open(path, "rb") as handle:
        kept = b""
        while piece := handle.read(PIECE):
            content = kept + piece
            if _in_text(content, _written(content, eids)) or _in_integers(content, eids):
                return True
            kept = content[-OVERLAP:]
    return False


def _in_integers(content: bytes, eids: np.ndarray) -> bool:
    """Search for little-endian 64-bit integers, as numpy and torch store eids, at every offset."""
    if len(eids) <= FEW:
        return any(eid.to_bytes(8, "little") in content for eid in eids.tolist())
    for offset in range(8):
        usable = (len(content) - offset) // 8 * 8
        if usable > 0 and np.isin(np.frombuffer(content, "<i8", usable // 8, offset), eids).any():
            return True
    return False


def _in_values(values: np.ndarray, eids: np.ndarray) -> bool:
    if values.dtype.kind in "iu":
        return bool(np.isin(values, eids).any())
    if values.dtype.kind in "OSU":
        return any(_in_text(str(value).encode(), eids) for value in np.unique(values.astype(str)))
    return False


def _in_parquet(path: Path, eids: np.ndarray) -> bool:
    file = pq.ParquetFile(path)
    wanted = [
        field.name
        for field in file.schema_arrow
        if pa.types.is_integer(field.type) or pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    if _in_text(str(file.schema_arrow).encode(), eids):
        return True
    return any(
        _in_values(column.drop_null().to_numpy(zero_copy_only=False), eids)
        for batch in file.iter_batches(columns=wanted)
        for column in batch.columns
    )


def _in_weights(path: Path, eids: np.ndarray) -> bool:
    with open(path, "rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(min(size, PIECE)))
    notes = header.pop("__metadata__", {})
    return _in_text(json.dumps([notes, list(header)]).encode(), eids)


def _in_hdf5(path: Path, eids: np.ndarray) -> bool:
    """Search names, attributes, and datasets of integers and text; signals and images contain no eid."""
    found = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> bool | None:
        attributes = " ".join(f"{key}={value}" for key, value in item.attrs.items())
        hit = _in_text(f"{name} {attributes}".encode(), eids)
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuOSU" and not item.is_virtual:
            hit = hit or _in_values(np.asarray(item[()]).ravel(), eids)
        found.append(hit)
        return True if hit else None

    with h5py.File(path, "r") as file:
        attributes = " ".join(f"{key}={value}" for key, value in file.attrs.items())
        file.visititems(look)
    return any(found) or _in_text(attributes.encode(), eids)

"""Read one exam of the CODE data sets: HDF5 files with `exam_id` (n,) and `tracings` (n, samples, 12) at 400 Hz.

A recording shorter than its row lies between zeros, which are cut off. Leads are I, II, III, aVR, aVL, aVF, V1 to V6.
Values are taken for mV, although nobody knows: the authors' README (github.com/antonior92/automatic-ecg-diagnosis)
says both "at the scale 1e-4V" and that signals in V are to be multiplied by 1000, the page of CODE-15 % at zenodo.org
names no unit, and others measured amplitudes 1.6 to 2 times those of sets in mV. The cleaned ECG does not depend on
it, but for the limits of `clean_ecg.quality` on amplitudes.

Only the row is read, of a plain dataset: no links, external or virtual storage, nor filters of plug-ins.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from cmr2ecg.ecg.recording import LEADS, MAX_SAMPLES, Ecg
from cmr2ecg.raw.listed import INSIDE, file_of
from cmr2ecg.raw.plain_file import check_plain
from cmr2ecg.raw.rejection import Rejection

T = TypeVar("T")
RATE_HZ = 400.0
RESOLUTION_UV = 1.0  # floats have no counts; finer than devices have
MAX_FILE_BYTES = 10**12
MAX_EXAMS = 5_000_000  # in a file; a part of CODE-15 % has 20,000, all of CODE 2.3 million
MAX_CHUNK_BYTES = 100_000_000  # that HDF5 unpacks at once
MAX_CHUNKS = 10_000  # that a row touches
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError)  # of h5py with damaged files
FILES_KNOWN = 4  # whose exam ids are kept in memory
FORM = "unknown HDF5 form"


def read_code(path: Path | str) -> Ecg:
    """Read the exam that a path names: FOLDER/exams_part0.hdf5#EXAM_ID.

    Raises:
        Rejection: if there is no such exam, it is empty, or the file is not of this form.
    """
    file = file_of(str(path))
    check_plain(file, MAX_FILE_BYTES)
    status = os.stat(file)
    row = _row(str(path)[len(file) :].removeprefix(INSIDE), *_exams(file, status.st_size, status.st_mtime_ns))
    tracing = _opened(file, lambda handle: _tracings(handle)[row])
    there = np.flatnonzero((tracing != 0).any(axis=1))
    if not there.size:
        raise Rejection("empty exam")
    return Ecg(tracing[there[0] : there[-1] + 1].T.astype(np.float64), RATE_HZ, RESOLUTION_UV)


def _row(exam: str, ids: NDArray, rows: NDArray) -> int:
    """Return the row of an exam, of ids (n,) in order and their rows (n,)."""
    number = int(exam) if exam.isascii() and exam.isdigit() and len(exam) < 19 else -1
    first, end = (int(np.searchsorted(ids, number, side)) for side in ("left", "right"))
    if number < 0 or end - first != 1:
        raise Rejection("no such exam in the file", "two rows with its id" if end - first > 1 else "")
    return int(rows[first])


@lru_cache(maxsize=FILES_KNOWN)
def _exams(file: str, size: int, modified: int) -> tuple[NDArray, NDArray]:
    """Return the ids of a file's exams in order and their rows; size, modified: a changed file is read anew."""
    ids = _opened(file, lambda handle: _dataset(handle, "exam_id", "iu", 1)[:])
    if len(ids) != _opened(file, lambda handle: len(_tracings(handle))):
        raise Rejection(FORM, "ids and tracings differ in number")
    rows = np.argsort(ids, kind="stable")
    return ids[rows], rows


def _opened(file: str, take: Callable[[h5py.File], T]) -> T:
    """Return what is taken from a file; raises Rejection if HDF5 cannot read it."""
    try:
        with h5py.File(file, "r", locking=False) as handle:
            return take(handle)
    except ERRORS as error:
        raise Rejection("damaged HDF5 file", type(error).__name__) from error


def _tracings(handle: h5py.File) -> h5py.Dataset:
    found = _dataset(handle, "tracings", "f", 3)
    if found.shape[1] > MAX_SAMPLES or found.shape[2] != len(LEADS):
        raise Rejection(FORM, "tracings has another shape")
    return found


def _dataset(handle: h5py.File, name: str, kinds: str, axes: int) -> h5py.Dataset:
    """Return a dataset that lies in the file itself and can be read by rows within bounds.

    Raises:
        Rejection: if it does not, or has other kinds of numbers or axes.
    """
    plain = isinstance(handle.get(name, getlink=True), h5py.HardLink)
    found = handle[name] if plain else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise Rejection(FORM, f"no dataset {name} in the file itself")
    if found.ndim != axes or found.dtype.kind not in kinds or found.shape[0] > MAX_EXAMS:
        raise Rejection(FORM, f"{name} has another shape or other numbers")
    stored = found.id.get_create_plist()
    if not {stored.get_filter(number)[0] for number in range(stored.get_nfilters())} <= FILTERS:
        raise Rejection(FORM, f"{name} has an unknown filter")
    if found.chunks:
        touched = np.prod([-(-whole // part) for whole, part in zip(found.shape[1:], found.chunks[1:], strict=True)])
        if np.prod(found.chunks, dtype=float) * found.dtype.itemsize > MAX_CHUNK_BYTES or touched > MAX_CHUNKS:
            raise Rejection(FORM, f"{name} is in too large or too many chunks")
    return found

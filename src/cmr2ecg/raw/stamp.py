"""Detect a changed raw file by its name, size and modification time, without reading it.

The folder does not count, so a copy elsewhere with the same times (cp -a, rsync -a) is the same file; nor do
differences below two seconds, the resolution of FAT disks and zip archives.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import os
from collections.abc import Iterable
from functools import cache

from cmr2ecg.raw.listed import file_of
from cmr2ecg.runtime.files import sha256

SECONDS = 2
SMALL_BYTES = 1_000_000  # tables below are compared by content, as Snakemake does with other inputs


def stamp(size: int, seconds: float) -> str:
    """Return the stamp of a file: bytes and modification time."""
    return f"{size} {int(seconds // SECONDS)}"


def stamp_of_file(path: str, stated: str = "") -> str:
    """Return name and stamp of a file, or what a list gives instead of the stamp.

    Files with the stem of a WFDB header in its folder, such as its signals, belong to it.
    """
    folder, name = os.path.split(path)
    own = f"{name} {stated or _stamp(file_of(path))}"
    stem, ending = os.path.splitext(name)
    if ending.lower() != ".hea":
        return own
    others = [other for other in _by_stem(folder).get(stem, ()) if other != name]
    return "; ".join([own, stamp_of_files(folder, others)])


def stamp_of_files(folder: str, names: Iterable[str]) -> str:
    """Return names and stamps of some files of a folder."""
    return "; ".join(f"{name} {_stamp(os.path.join(folder, name))}" for name in sorted(names))


def stamp_of_table(path: str) -> str:
    """Return the stamp of a table: for a small one its content, so that a touch is not a change."""
    name = os.path.basename(path)
    if os.path.isfile(path) and os.path.getsize(path) < SMALL_BYTES:
        return f"{name} {sha256(path)}"
    return f"{name} {_stamp(os.path.realpath(path))}"


def _stamp(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "absent"
    return stamp(status.st_size, status.st_mtime)


@cache
def _by_stem(folder: str) -> dict[str, list[str]]:
    """Return the names in a folder by their stem; nothing if it cannot be listed."""
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                found.setdefault(os.path.splitext(entry.name)[0], []).append(entry.name)
    except OSError:
        return {}
    return found

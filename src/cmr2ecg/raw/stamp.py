"""Tell whether a raw file is another than before: by its name, size and time, not by reading it.

The folder does not count, so that a copy elsewhere with the same times (cp -a, rsync -a) is the same file, nor do less
than two seconds, which FAT disks and zip archives do not keep.

Only the standard library is used, since the workflow imports this module while it is read.
"""

import os
from collections.abc import Iterable
from functools import cache

from cmr2ecg.runtime.files import sha256

SECONDS = 2
SMALL_BYTES = 1_000_000  # of a table whose content is looked at, as Snakemake does with other inputs


def stamp(size: int, seconds: float) -> str:
    """Return what stands for a file's content: bytes and time of last change."""
    return f"{size} {int(seconds // SECONDS)}"


def stamp_of_file(path: str, stated: str = "") -> str:
    """Return name and stamp of a file, or what a list states in place of the stamp.

    Files of the same stem beside a WFDB header, its signals among them, belong to it.
    """
    folder, name = os.path.split(path)
    own = f"{name} {stated or _stamp(path)}"
    stem, ending = os.path.splitext(name)
    if ending.lower() != ".hea":
        return own
    others = [other for other in _by_stem(folder).get(stem, ()) if other != name]
    return "; ".join([own, stamp_of_files(folder, others)])


def stamp_of_files(folder: str, names: Iterable[str]) -> str:
    """Return names and stamps of some files of a folder."""
    return "; ".join(f"{name} {_stamp(os.path.join(folder, name))}" for name in sorted(names))


def stamp_of_table(path: str) -> str:
    """Return what stands for a table, of which there are few: the content of a small one, so a touch is no change."""
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

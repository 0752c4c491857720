"""What a cohort's state consists of: its results, and Snakemake's records of the jobs that made them.

Snakemake keeps two files for each output, both named by its path in base64: `.snakemake/metadata` says what it was made
from, `.snakemake/incomplete` that its job is running or was killed. Without the first Snakemake knows nothing of
parameters and checksums and reruns whatever is older than a fresh clone's sources.
"""

import base64
import binascii
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

METADATA, INCOMPLETE = ".snakemake/metadata", ".snakemake/incomplete"
MARKER = b'{"external_jobid": null}'  # what Snakemake writes into INCOMPLETE for a job that runs
LEFT_OUT = (".partial", "-journal", "-wal", "-shm")  # unfinished files, and SQLite's own beside a database
MAX_NAME = 254  # characters of a record's name; the rest goes into a folder below "@..."


class Found(NamedTuple):
    """A file as it was when it was looked at: bytes, and time of last change in ns."""

    size: int
    mtime_ns: int


def results_of(folder: Path, cohort: str) -> dict[str, Found]:
    """Return the plain files below results/<cohort> by their path below `folder`; links are left out."""
    return dict(_plain_files(folder, f"results/{cohort}"))


def records_of(folder: Path, cohort: str, kind: str = METADATA) -> dict[str, Found]:
    """Return Snakemake's records of one kind of the cohort's outputs by their path below `folder`."""
    return {path: found for path, found in _plain_files(folder, kind) if belongs(path, cohort)}


def incomplete_of(folder: Path, cohort: str) -> set[str]:
    """Return the cohort's outputs whose jobs run or were killed."""
    return {target_of(path) for path in records_of(folder, cohort, INCOMPLETE)}


def belongs(path: str, cohort: str) -> bool:
    """Return whether a path is one of the cohort's results or records, without ways out of these folders."""
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return False
    output = target_of(path) if path.startswith((f"{METADATA}/", f"{INCOMPLETE}/")) else path
    return output.startswith(f"results/{cohort}/")


def target_of(record: str) -> str:
    """Return the output that a record of either kind is about, "" if its name is none of Snakemake's."""
    name = "".join(part.removeprefix("@") for part in record.split("/")[2:])
    try:
        return base64.urlsafe_b64decode(name).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def record_of(target: str, kind: str) -> str:
    """Return the path of an output's record."""
    name = base64.urlsafe_b64encode(target.encode()).decode()
    parts = [name[start : start + MAX_NAME] for start in range(0, len(name), MAX_NAME)]
    return "/".join([kind, *(f"@{part}" for part in parts[:-1]), parts[-1]])


def _plain_files(folder: Path, below: str) -> Iterator[tuple[str, Found]]:
    """Yield path and state of each plain file; what vanishes meanwhile is passed over."""
    for parent, folders, names in os.walk(folder / below):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names) if not name.endswith(LEFT_OUT)):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path.relative_to(folder).as_posix(), Found(status.st_size, status.st_mtime_ns)

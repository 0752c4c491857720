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
from dataclasses import dataclass
from pathlib import Path

METADATA, INCOMPLETE = ".snakemake/metadata", ".snakemake/incomplete"
LEFT_OUT = (".partial", "-journal", "-wal", "-shm")  # unfinished files, and SQLite's own beside a database
MARKER = b'{"external_jobid": null}'  # what Snakemake writes for a job that runs
LONGEST_NAME = 254  # of a record; the rest goes into a folder below "@..."


@dataclass(frozen=True)
class Found:
    """A file as it was when it was looked at: bytes, and time of last change in ns."""

    size: int
    mtime_ns: int


def results_of(folder: Path, cohort: str) -> dict[str, Found]:
    """Return the plain files below results/<cohort> by their path below `folder`; links are left out."""
    return dict(_plain_files(folder, f"results/{cohort}"))


def records_of(folder: Path, cohort: str) -> dict[str, Found]:
    """Return Snakemake's records of the cohort's outputs by their path below `folder`."""
    files = _plain_files(folder, METADATA)
    return {path: found for path, found in files if is_of(target_of(path, METADATA), cohort)}


def incomplete_of(folder: Path, cohort: str) -> set[str]:
    """Return the cohort's outputs whose jobs run or were killed."""
    targets = (target_of(path, INCOMPLETE) for path, _ in _plain_files(folder, INCOMPLETE))
    return {target for target in targets if is_of(target, cohort)}


def is_of(target: str, cohort: str) -> bool:
    """Return whether an output belongs to the cohort."""
    return target.startswith(f"results/{cohort}/")


def target_of(record: str, kind: str) -> str:
    """Return the output a record of METADATA or INCOMPLETE is about, "" if its name is none of Snakemake's."""
    name = "".join(part.removeprefix("@") for part in record.removeprefix(f"{kind}/").split("/"))
    try:
        return base64.urlsafe_b64decode(name).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def record_of(target: str, kind: str) -> str:
    """Return the path of an output's record."""
    name = base64.urlsafe_b64encode(target.encode()).decode()
    parts = [name[start : start + LONGEST_NAME] for start in range(0, len(name), LONGEST_NAME)]
    return "/".join([kind, *(f"@{part}" for part in parts[:-1]), parts[-1]])


def _plain_files(folder: Path, below: str) -> Iterator[tuple[str, Found]]:
    """Yield path and state of each plain file, in order of the path; what vanishes meanwhile is passed over."""
    for parent, folders, names in os.walk(folder / below):
        folders.sort()
        for name in sorted(names):
            if name.endswith(LEFT_OUT):
                continue
            path = Path(parent, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path.relative_to(folder).as_posix(), Found(status.st_size, status.st_mtime_ns)

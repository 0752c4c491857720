"""Record finished files one by one, so that a repeated command resumes after any interruption.

A text file next to the results, deleted when they are complete: a line that identifies the command, and one line per
finished ECG: its key, + (or - if it is to be tried again), its results.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cmr2ecg.predict.records import RESULTS
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import naming

REWRITE_RATIO = 20  # results are rewritten when that took less than a twentieth of the time since
MIN_REWRITE_S = 1.0
MAX_NAME_BYTES = 230  # bytes; a file system takes 255, with what is added while a file is written
BESIDE = (".dat", ".mat")  # signals of a WFDB header
PARTIAL = re.compile(r"\..+\.\d+\.partial")  # as cmr2ecg.runtime.files.atomic names them


class Unfinished:
    """The open file: results by key, of this run and of the interrupted one.

    Args:
        file: open for reading and writing.
        about: the command; results of another one are dropped.
    """

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        self._file, self._written, self._took = file, time.monotonic(), 0.0
        self._places: dict[str, int] = {}
        head = json.dumps(about, sort_keys=True).encode() + b"\n"
        self._end = len(head)
        if file.readline() == head:
            self._find_lines(with_rejected=False)
        else:
            file.seek(0)
            file.truncate()
            file.write(head)
            file.flush()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Any:
        self._file.seek(self._places[key])
        return json.loads(self._file.readline().split(b"\t", 2)[2])

    def add(self, key: str, value: Any, again: bool = False) -> None:
        """Record a JSON value; from now on it is kept even if this process is killed.

        Args:
            key: of the ECG.
            value: its results.
            again: whether the next run should try again.
        """
        parts = json.dumps(key).encode(), b"-" if again else b"+", json.dumps(value).encode()
        line = b"\t".join(parts) + b"\n"
        self._file.seek(self._end)
        self._file.write(line)
        self._file.flush()
        self._places[key] = self._end
        self._end += len(line)

    def settle(self) -> None:
        """Record the line of an interrupted `add`, or drop its fragment."""
        self._file.seek(self._end)
        self._find_lines(with_rejected=True)

    def renew(self, write: Callable[[], None]) -> None:
        """Call `write`, which writes the results so far, if due."""
        start = time.monotonic()
        if start - self._written >= max(MIN_REWRITE_S, REWRITE_RATIO * self._took):
            write()
            self._written = time.monotonic()
            self._took = self._written - start

    def _find_lines(self, with_rejected: bool) -> None:
        """Record the position of each line from `_end` on, of rejected ones on request; drop a truncated one."""
        for line in self._file:
            parts = line.split(b"\t", 2)
            if len(parts) < 3 or not line.endswith(b"\n"):
                break
            if parts[1] == b"+" or with_rejected:
                self._places[json.loads(parts[0])] = self._end
            self._end += len(line)
        self._file.seek(self._end)
        self._file.truncate()


@contextmanager
def open_unfinished(path: Path, about: Mapping[str, Any]) -> Iterator[Unfinished]:
    """Yield the file, locked for this command; it is deleted when the block ends without an error.

    Raises:
        InputError: another command holds it.
    """
    try:
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"--out: nothing can be written to {path.parent} ({error.strerror})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{path.parent}: another command is writing there; wait for it or give another --out"
            ) from error
        except OSError:  # a file system without locks
            pass
        with naming(path):
            unfinished, whole = Unfinished(file, about), False
            try:
                yield unfinished
                whole = True
            finally:
                if whole or not len(unfinished):
                    path.unlink(missing_ok=True)


def key_of(path: Path, *more: str) -> str:
    """Return the key of an ECG's results: its path, the sizes and times of its files, and more."""
    beside = [path.with_suffix(ending) for ending in BESIDE] if path.suffix.lower() == ".hea" else []
    found: list[Any] = [str(path), *more]
    for place in (path, *beside):
        with suppress(OSError):
            status = os.lstat(place)
            found += [status.st_size, status.st_mtime_ns]
    return json.dumps(found)


def remove_partials(folder: Path, start: str) -> None:
    """Remove the incomplete files of killed commands in a folder: hidden files whose names begin with `start`."""
    with suppress(OSError):  # there is no such folder
        for path in list(folder.iterdir()):
            if path.name.startswith(start) and PARTIAL.fullmatch(path.name):
                path.unlink(missing_ok=True)


def make_folder(out: Path, *folders: Path) -> None:
    """Create the output folders.

    Args:
        out: what the user named.
        folders: that, those in it, or its parent.

    Raises:
        InputError: they cannot be created.
    """
    if len(os.fsencode(out.name)) > MAX_NAME_BYTES:
        raise InputError(f"--out: the name {out.name[:20]}... is too long; give another --out")
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"--out {out}: {error.filename} is a file or below one; give another --out") from error
    except OSError as error:
        raise InputError(f"--out {str(out)[:MAX_NAME_BYTES]}: {error.strerror}; give another --out") from error
    for file in (out, *(out / f"{RESULTS}.{kind}" for kind in ("json", "csv"))):
        if file.is_dir() and file not in folders:
            raise InputError(f"--out {out}: {file} is a folder; give another --out")

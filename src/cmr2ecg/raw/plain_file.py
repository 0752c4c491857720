"""Read untrusted small files: regular files of bounded size only."""

import os
import stat
from pathlib import Path

from cmr2ecg.raw.rejection import Rejection

# in case the file was replaced after the check: do not follow a link, do not block on a pipe
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (lambda mode: not stat.S_ISREG(mode), "no plain file"),
)


def read_plain(path: Path | str, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most `max_bytes`.

    Raises:
        Rejection: see `check_plain`, or the file cannot be read.
    """
    check_plain(path, max_bytes)
    try:
        with open(os.open(path, FLAGS), "rb") as handle:
            status = os.fstat(handle.fileno())
            _check(status, max_bytes)
            return handle.read(status.st_size)
    except OSError as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error


def check_plain(path: Path | str, max_bytes: int) -> None:
    """Raise Rejection unless `path` is a regular file of at most `max_bytes`; nothing is read.

    A symbolic link could point anywhere and a pipe would block forever; both are refused.
    """
    try:
        status = os.lstat(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise Rejection("file cannot be opened", type(error).__name__) from error
    _check(status, max_bytes)


def _check(status: os.stat_result, max_bytes: int) -> None:
    kind = next((name for is_kind, name in KINDS if is_kind(status.st_mode)), None)
    if kind:
        raise Rejection("file cannot be opened", kind)
    if status.st_size > max_bytes:
        raise Rejection("file too large", f"more than {max_bytes} bytes")

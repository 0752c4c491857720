"""Small files that came from outside: plain ones of a bounded size."""

import os
import stat
from pathlib import Path

from cmr2ecg.ukb.rejection import Rejection


def read_plain(path: Path | str, max_bytes: int) -> bytes:
    """Return the content of a plain file of at most `max_bytes`.

    Raises:
        Rejection: see `check_plain`, or the file cannot be read.
    """
    check_plain(path, max_bytes)
    try:
        with open(path, "rb") as handle:
            content = handle.read(max_bytes + 1)
    except OSError as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error
    if len(content) > max_bytes:  # it grew meanwhile
        raise Rejection("file too large", f"more than {max_bytes} bytes")
    return content


def check_plain(path: Path | str, max_bytes: int) -> None:
    """Raise Rejection unless `path` is a plain file of at most `max_bytes`; nothing is read.

    A symbolic link could lead anywhere and a pipe would block for ever; both are refused.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error
    if stat.S_ISLNK(status.st_mode):
        raise Rejection("file cannot be opened", "a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise Rejection("file cannot be opened", "no plain file")
    if status.st_size > max_bytes:
        raise Rejection("file too large", f"more than {max_bytes} bytes")

"""Read a small file that came from outside."""

import os
import stat
from pathlib import Path

from cmr2ecg.ukb.rejection import Rejection


def read_plain(path: Path | str, max_bytes: int) -> bytes:
    """Return the content of a plain file of at most `max_bytes`.

    A symbolic link could lead anywhere and a pipe would block for ever; both are refused.

    Raises:
        Rejection: absent, unreadable, no plain file, or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        kind = "a symbolic link" if os.path.islink(path) else type(error).__name__
        raise Rejection("file cannot be opened", kind) from error
    with open(descriptor, "rb") as handle:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Rejection("file cannot be opened", "no plain file")
        try:
            content = handle.read(max_bytes + 1)
        except OSError as error:
            raise Rejection("file cannot be opened", type(error).__name__) from error
    if len(content) > max_bytes:
        raise Rejection("file too large", f"more than {max_bytes} bytes")
    return content

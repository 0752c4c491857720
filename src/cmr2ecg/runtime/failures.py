"""Explain errors of a disk, machine or installation in one line that says where and what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAKE_ROOM = "make room and run again"
ALLOW = "make it writable (readable, if it is an input) and run again"
LESS = "perhaps for lack of memory: give this step fewer threads or the machine more memory, and run again"
ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), MAKE_ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), ALLOW),
}
# HDF5, SQLite and safetensors pass on the message, not the system's error number.
WORDS = {os.strerror(number): advice for number, advice in ADVICE.items()} | {
    "database or disk is full": MAKE_ROOM,
    "database is locked": "wait for the other process that uses it, or end it, and run again",
    "disk I/O error": "check whether the disk is full or failing, and run again",
    "attempt to write a readonly database": ALLOW,
    "terminated abruptly while the future": LESS,
}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Attach the file being written to every error of the block, for `explain`."""
    try:
        yield
    except Exception as error:
        if not any(hasattr(cause, "__notes__") for cause in causes(error)):
            error.add_note(str(path))
        raise


def explain(error: BaseException) -> str | None:
    """Return "file: what is wrong; what to do" of an error or one of its causes, or None if unknown."""
    place = where(error)
    for cause in causes(error):
        package = (cause.name or "").partition(".")[0] if isinstance(cause, ModuleNotFoundError) else ""
        if package and not package.startswith("cmr2ecg"):
            return missing_package(package, "'cmr2ecg[train]'")
        number = cause.errno if isinstance(cause, OSError) else None
        said = f"{cause} {os.strerror(number) if number else ''}"
        for words, advice in WORDS.items():
            if words in said:
                return f"{place + ': ' if place else ''}{words}; {advice}"
    return None


def missing_package(name: str, wanted: str) -> str:
    """Return a message that a Python package is not installed, with the command that installs `wanted`."""
    return f"the Python package {name} is not installed here: pip install {wanted} (in a clone: make env)"


def where(error: BaseException) -> str:
    """Return the file an error is about, or ""."""
    for cause in causes(error):
        for place in (*getattr(cause, "__notes__", ()), getattr(cause, "filename", None)):
            if place:
                return str(place)
    return ""


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks."""
    return " ".join(str(error).split())


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the one it was raised from or during, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__

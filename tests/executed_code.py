"""Which functions and classes of the package a call runs, to compare with what a fingerprint covers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmr2ecg.runtime.fingerprint import _follow, _left_out, _of, _read
from cmr2ecg.runtime.imports import SOURCE

Definition = tuple[Path, str]


@contextmanager
def executed() -> Iterator[set[Definition]]:
    """Yield a set that fills with (file, name of the top level) of whatever the block runs in this thread."""
    found: set[Definition] = set()
    place = str(SOURCE / "cmr2ecg")

    def note(frame, _event, _argument):  # of calls alone, since it returns no way to follow lines
        path, name = frame.f_code.co_filename, frame.f_code.co_qualname.partition(".")[0]
        if path.startswith(place) and not name.startswith("<"):
            found.add((Path(path), name))

    before = sys.gettrace()
    sys.settrace(note)
    try:
        yield found
    finally:
        sys.settrace(before)


def not_covered(step: str, ran: set[Definition]) -> set[str]:
    """Return what ran but is not part of a step's fingerprint, apart from modules that cannot change a number."""
    covered: dict = {}
    for pair in _of(f"cmr2ecg.steps.{step}"):
        _follow(*pair, covered)
    counting = {(path, name) for path, name in ran if not _left_out(path)}
    return {
        f"{path.stem}.{name}"
        for path, name in counting
        if not all(statement in covered for statement in _read(path).definitions[name])
    }

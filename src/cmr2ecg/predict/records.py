"""Which ECG files a user names, how they are to be read, and what becomes of one; what reads them is in reading.py."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr2ecg.runtime.command import InputError

log = logging.getLogger(__name__)
RESULTS, PAGES = "predictions", "pages"  # what `predict` writes: two files and a folder
BARE = (".csv", ".npy")  # files of numbers alone: their rate and unit are the user's word
ENDINGS = (".xml", ".hea", *BARE)


@dataclass(frozen=True)
class Source:
    """How files are read: cleaning settings of the release, rate and unit of bare files, whether `signal` is kept.

    Without a unit it is the one that a csv's header states, or mV.
    """

    clean_ecg: Mapping[str, Any]
    rate_hz: float | None = None
    unit: str | None = None
    keep_signal: bool = True


@dataclass(frozen=True)
class Record:
    """One file: `cleaned` (12, samples) as the networks take it and `signal` (12, samples) in mV, or why not.

    Both are float32; `signal` is None where only `cleaned` is wanted.
    """

    path: Path
    cleaned: np.ndarray | None = None
    signal: np.ndarray | None = None
    heart_rate_bpm: str = ""
    repairs: str = ""
    reason: str = ""


def usable(batch: Sequence[Record]) -> list[Record]:
    """Return the records that could be read."""
    return [record for record in batch if not record.reason]


def cleaned_of(records: Sequence[Record]) -> NDArray[np.float32]:
    """Return the cleaned ECGs (n, 12, samples) of records that could be read."""
    return np.stack([record.cleaned for record in records if record.cleaned is not None])


def find_files(named: Sequence[Path]) -> list[Path]:
    """Return the files named, and of folders those with a known ending, at any depth, in order of name.

    What this command has written before is passed over, and so are links to folders, which are named in a warning.

    Raises:
        InputError: if one does not exist, a folder cannot be listed, or none is left.
    """
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            found += below(path)
        elif os.path.lexists(path):
            found.append(path)
        elif path.with_name(path.name + ".hea").exists():  # a WFDB record by its name
            found.append(path.with_name(path.name + ".hea"))
        else:
            raise InputError(f"there is no file {path}")
    if not found:
        raise InputError(f"no ECG is named: give files or folders with {', '.join(ENDINGS)}")
    return list(dict.fromkeys(found))


def below(folder: Path) -> list[Path]:
    """Return what bears an ECG's ending in a folder, at any depth, in order of name; it may turn out to be no file."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=stop):
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                log.warning("%s: passed over: a link to a folder", in_one_line(Path(place, name)))
        found += [Path(place, name) for name in names if name.lower().endswith(ENDINGS)]
    return sorted(path for path in found if not is_own_output(path))


def stop(error: OSError) -> None:
    """Raise what a user can fix of a folder that cannot be listed."""
    raise InputError(f"{error.filename}: cannot be listed ({error.strerror}); make it readable") from error


def is_own_output(path: Path) -> bool:
    """Return whether a file is a predictions.csv of this command."""
    if path.name != f"{RESULTS}.csv":
        return False
    try:
        return path.is_file() and path.read_bytes().startswith(b"file,status,reason,")
    except OSError:
        return False


def shown(path: Path | str) -> str:
    """Return a file's name as results hold it: bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def in_one_line(path: Path | str) -> str:
    """Return a file's name as messages hold it, without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown(path))


def check_rate_given(files: Sequence[Path], rate_hz: float | None) -> None:
    """Stop if a file of bare numbers is named and --rate is not, or is no rate.

    Raises:
        InputError: names the first such file, or the rate.
    """
    if rate_hz is not None and not 0 < rate_hz < math.inf:
        raise InputError(f"--rate {rate_hz:g}: expected samples a second, as in --rate 500")
    bare = next((path for path in files if path.suffix.lower() in BARE), None)
    if bare and rate_hz is None:
        raise InputError(f"{in_one_line(bare)}: a {bare.suffix} file does not state its sampling rate; give --rate HZ")

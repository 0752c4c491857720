"""The ECG files named by the user, how to read them, and the result for one; reading.py reads them."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr2ecg.raw.endings import ECG_ENDINGS
from cmr2ecg.runtime.command import InputError

log = logging.getLogger(__name__)
RESULTS, PAGES = "predictions", "pages"  # outputs of `predict`: two files and a folder
BARE = (".csv", ".npy")  # files of numbers only: their rate and unit are given by the user
ENDINGS = (*ECG_ENDINGS, *BARE)


@dataclass(frozen=True)
class Source:
    """How files are read: cleaning settings of the release, rate and unit of bare files, whether `signal` is kept.

    The default unit is that of a csv's header, or mV.
    """

    clean_ecg: Mapping[str, Any]
    rate_hz: float | None = None
    unit: str | None = None
    keep_signal: bool = True


@dataclass(frozen=True)
class Record:
    """One file: `cleaned` (12, samples) as network input and `signal` (12, samples) in mV, or the reason of rejection.

    Both are float32; `signal` is None if only `cleaned` is needed.
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
    """Return the given files, and from folders those with a known extension, at any depth, in order of name.

    Earlier output of this command is skipped, and so are links to folders, with a warning.

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
        raise InputError(f"no ECG is given: name files or folders with {', '.join(ENDINGS)}")
    return list(dict.fromkeys(found))


def below(folder: Path) -> list[Path]:
    """Return paths with an ECG's extension in a folder, at any depth, in order of name; they may not be files."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=stop):
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                log.warning("%s: skipped: a link to a folder", in_one_line(Path(place, name)))
        found += [Path(place, name) for name in names if name.lower().endswith(ENDINGS)]
    return sorted(path for path in found if not is_own_output(path))


def stop(error: OSError) -> None:
    """Raise InputError for a folder that cannot be listed."""
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
    """Return a file's name as written in results: bytes that are not UTF-8 as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def in_one_line(path: Path | str) -> str:
    """Return a file's name for messages, without terminal control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown(path))


def check_rate_given(files: Sequence[Path], rate_hz: float | None) -> None:
    """Raise if a file of bare numbers is given without a valid --rate.

    Raises:
        InputError: names the first such file, or the rate.
    """
    if rate_hz is not None and not 0 < rate_hz < math.inf:
        raise InputError(f"--rate {rate_hz:g}: expected samples per second, as in --rate 500")
    bare = next((path for path in files if path.suffix.lower() in BARE), None)
    if bare and rate_hz is None:
        raise InputError(f"{in_one_line(bare)}: a {bare.suffix} file does not state its sampling rate; give --rate HZ")

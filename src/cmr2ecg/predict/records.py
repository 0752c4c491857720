"""Which ECG files a user names, how they are to be read, and what becomes of one; what reads them is in reading.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.command import InputError

BARE = (".csv", ".npy")  # files of numbers alone: their rate and unit are the user's word
ENDINGS = (".xml", ".hea", *BARE)


@dataclass(frozen=True)
class Source:
    """How files are read: cleaning settings of the release, rate and unit of bare files, whether `signal` is kept."""

    clean_ecg: Mapping[str, Any]
    rate_hz: float | None = None
    unit: str = "mV"
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


def find_files(named: Sequence[Path]) -> list[Path]:
    """Return the files named, and of folders those with a known ending, at any depth, in order of name.

    Raises:
        InputError: if one does not exist or none is left.
    """
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        elif path.exists():
            found.append(path)
        elif path.with_name(path.name + ".hea").exists():  # a WFDB record by its name
            found.append(path.with_name(path.name + ".hea"))
        else:
            raise InputError(f"there is no file {path}")
    if not found:
        raise InputError(f"no ECG is named: give files or folders with {', '.join(ENDINGS)}")
    return list(dict.fromkeys(found))


def check_rate_given(files: Sequence[Path], rate_hz: float | None) -> None:
    """Stop if a file of bare numbers is named and --rate is not.

    Raises:
        InputError: names the first such file.
    """
    bare = next((path for path in files if path.suffix.lower() in BARE), None)
    if bare and rate_hz is None:
        raise InputError(f"{bare}: a {bare.suffix} file does not state its sampling rate; give --rate HZ")


def load(path: Path, source: Source) -> Record:
    """Return a file's ECG, cleaned, or the reason why it cannot be used.

    What reads it is imported here, so that a process that only hands files to others starts at once.
    """
    from cmr2ecg.predict.reading import read

    return read(path, source)

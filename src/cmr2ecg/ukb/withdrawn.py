"""Read UK Biobank withdrawal lists (`w<application>_<date>.csv`)."""

from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.command import InputError


def read_withdrawn(files: Sequence[Path | str]) -> set[int]:
    """Return the eids of all lists: the first cell of each line; headers and blank lines are passed over.

    Raises:
        InputError: if a file is missing or no text, or a line after the first does not start with a number; names
            raw.withdrawn.
    """
    eids: set[int] = set()
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"raw.withdrawn: there is no file {file}; correct the path in the config file")
        for number, line in enumerate(_lines(file)):
            cell = line.split(",")[0].strip().strip('"').strip()
            if cell.isdecimal():
                eids.add(int(cell))
            elif cell and number:
                raise InputError(f"raw.withdrawn: line {number + 1} of {file} does not start with an eid")
    return eids


def _lines(file: Path | str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"raw.withdrawn: {file} is no text file with one eid a line") from None

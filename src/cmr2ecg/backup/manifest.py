"""The list of a save: every file of the state, with the archive that holds its bytes."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from cmr2ecg.backup.contents import INCOMPLETE, METADATA, is_of, target_of
from cmr2ecg.runtime.command import InputError

NAME = re.compile(r"([\w.-]+)_(\d{6})\.(json|tar)")


@dataclass(frozen=True)
class Entry:
    """A saved file: bytes, time of last change in ns, SHA-256, and the archive it lies in."""

    size: int
    mtime_ns: int
    sha256: str
    archive: str


@dataclass(frozen=True)
class Listing:
    """All files of a save by path, how many bytes were once written to each archive, and the folder that saved."""

    files: dict[str, Entry] = field(default_factory=dict)
    archives: dict[str, int] = field(default_factory=dict)
    writer: str = ""

    def in_use(self) -> dict[str, int]:
        """Return how many bytes of each archive are still of use."""
        used = dict.fromkeys((entry.archive for entry in self.files.values()), 0)
        for entry in self.files.values():
            used[entry.archive] += entry.size
        return used


def name_of(cohort: str, number: int, ending: str) -> str:
    """Return the name of a save's list ("json") or archive ("tar")."""
    return f"{cohort}_{number:06d}.{ending}"


def newest(names: Iterable[str], cohort: str, ending: str = "json") -> int:
    """Return the highest number among a cohort's lists, 0 if there is none."""
    found = filter(None, map(NAME.fullmatch, names))
    return max((int(match[2]) for match in found if match[1] == cohort and match[3] == ending), default=0)


def to_json(listing: Listing) -> str:
    """Return the list as text."""
    return json.dumps({"format": 1, **asdict(listing)})


def from_json(text: str, cohort: str, where: str) -> Listing:
    """Return the list.

    Raises:
        InputError: if it is no list of this cohort's files, or names a file outside its folders.
    """
    try:
        whole = json.loads(text)
        files = {path: Entry(**entry) for path, entry in whole["files"].items()}
        listing = Listing(files, {name: int(size) for name, size in whole["archives"].items()}, whole["writer"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{where} is no list of a backup: {type(error).__name__}") from None
    for path, entry in files.items():
        archive = NAME.fullmatch(entry.archive)
        if not belongs(path, cohort) or not archive or archive[1] != cohort:
            raise InputError(f"{where} lists files that are not of results/{cohort}; nothing was restored")
    return listing


def belongs(path: str, cohort: str) -> bool:
    """Return whether a path is one of the cohort's results or records, without ways out of these folders."""
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return False
    if path.startswith(f"results/{cohort}/"):
        return True
    return any(path.startswith(f"{kind}/") and is_of(target_of(path, kind), cohort) for kind in (METADATA, INCOMPLETE))

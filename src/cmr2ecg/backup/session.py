"""One save or restore of a folder at a time, and what it has to know: the newest save, and whether it may follow it."""

import fcntl
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from cmr2ecg.backup.archive import Entry
from cmr2ecg.backup.contents import belongs
from cmr2ecg.backup.places import Place
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import write_json


class Listing(BaseModel):
    """All files of a save by path, how many bytes were once written to each archive, and the folder that saved."""

    format: Literal[1] = 1
    files: dict[str, Entry] = {}
    archives: dict[str, int] = {}
    writer: str = ""

    def in_use(self) -> Counter[str]:
        """Return how many bytes of each archive are still of use."""
        used: Counter[str] = Counter()
        for entry in self.files.values():
            used[entry.archive] += entry.size
        return used


class Identity(BaseModel):
    """A folder's own sign, which is in its saves, and the number of the save it was restored from."""

    writer: str = Field(default_factory=lambda: uuid.uuid4().hex)
    restored: int = 0


class Session(NamedTuple):
    """An empty folder on the disk of the results, who saves, and the newest save: its number, 0 for none, and list."""

    temporary: Path
    who: Identity
    number: int
    newest: Listing

    def may_follow(self) -> bool:
        """Return whether the newest save is the folder's own or the one it was restored from.

        A machine that was set up again and not restored would otherwise bury the results of the one before.
        """
        return self.number == 0 or self.newest.writer == self.who.writer or self.number == self.who.restored


@contextmanager
def session(folder: Path, cohort: str, place: Place) -> Iterator[Session]:
    """Wait for whoever saves or restores, since two saves would share a number; clear up after a killed one."""
    home = folder / f".snakemake/backup_{cohort}"
    temporary, kept = home / "temporary", identity_file(folder, cohort)
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            number = max(numbered(place.names(), cohort, "json"), default=0)
            listing = read_listing(place, cohort, number, temporary) if number else Listing()
            if not kept.exists():
                write_json(kept, Identity().model_dump())
            yield Session(temporary, Identity.model_validate_json(kept.read_text()), number, listing)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def identity_file(folder: Path, cohort: str) -> Path:
    """Return the file of a folder's identity, which is never saved."""
    return folder / f".snakemake/backup_{cohort}.json"


def numbered(names: Iterable[str], cohort: str, ending: str) -> dict[int, str]:
    """Return the names of a cohort's lists ("json") or archives ("tar") by the number of the save."""
    matches = (re.fullmatch(rf"{re.escape(cohort)}_(\d{{6}})\.{ending}", name) for name in names)
    return {int(match[1]): match[0] for match in matches if match}


def read_listing(place: Place, cohort: str, number: int, temporary: Path) -> Listing:
    """Return a save's list.

    Raises:
        InputError: if it is no list of this cohort's files, or names a file outside its folders.
    """
    path = temporary / f"{cohort}_{number:06d}.json"
    place.fetch(path.name, path)
    try:
        listing = Listing.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InputError(f"{path.name} is no list of a backup") from None
    archive = re.compile(rf"{re.escape(cohort)}_\d{{6}}\.tar")
    if not all(belongs(file, cohort) and archive.fullmatch(entry.archive) for file, entry in listing.files.items()):
        raise InputError(f"{path.name} lists files that are not of results/{cohort}; nothing was restored")
    return listing

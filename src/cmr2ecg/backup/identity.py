"""Which saves a folder may follow: its own, and the one it was restored from.

A machine that was set up anew and not restored would otherwise save its empty results over those of the one before.
"""

import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from cmr2ecg.backup.manifest import Listing
from cmr2ecg.runtime.command import InputError


@dataclass(frozen=True)
class Identity:
    """A folder's own sign, which stands in its saves, and the number of the save it was restored from."""

    writer: str
    restored: int = 0


def identity(folder: Path, cohort: str) -> Identity:
    """Return the folder's identity; a new one is kept below .snakemake, which is never saved."""
    path = _path(folder, cohort)
    if not path.exists():
        keep(folder, cohort, Identity(uuid.uuid4().hex))
    return Identity(**json.loads(path.read_text()))


def keep(folder: Path, cohort: str, who: Identity) -> None:
    """Note the folder's identity."""
    path = _path(folder, cohort)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(who)))


def follows(who: Identity, number: int, listing: Listing) -> bool:
    """Return whether the store's newest save, 0 for none, is one the folder may follow."""
    return number == 0 or listing.writer == who.writer or number == who.restored


def check_follows(who: Identity, number: int, listing: Listing) -> None:
    """Stop if saving would bury another machine's results.

    Raises:
        InputError: says what to do.
    """
    if not follows(who, number, listing):
        raise InputError(
            f"save {number} there is of another folder, and this one was not restored from it: "
            "restore into a fresh clone, or save to another place"
        )


def _path(folder: Path, cohort: str) -> Path:
    return folder / f".snakemake/backup_{cohort}.json"

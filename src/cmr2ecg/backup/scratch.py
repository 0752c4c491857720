"""A folder for the files a save or restore needs meanwhile: for one at a time, emptied of what a killed one left."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(folder: Path, cohort: str) -> Iterator[Path]:
    """Yield an empty folder on the disk of the results; whoever comes meanwhile waits.

    Two saves at once would give two archives one number.
    """
    place = folder / f".snakemake/backup_{cohort}"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        temporary = place / "temporary"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

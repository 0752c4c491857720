"""Bring a saved state back into a fresh clone, with the times of the files: Snakemake compares them."""

import logging
from dataclasses import replace
from pathlib import Path

from cmr2ecg.backup.archive import extract
from cmr2ecg.backup.contents import incomplete_of, records_of, results_of
from cmr2ecg.backup.identity import follows, identity, keep
from cmr2ecg.backup.manifest import Entry, newest
from cmr2ecg.backup.save import read_listing
from cmr2ecg.backup.scratch import scratch
from cmr2ecg.backup.stores import Store
from cmr2ecg.runtime.command import InputError

log = logging.getLogger(__name__)


def restore(folder: Path, cohort: str, store: Store) -> int:
    """Restore the newest save of a cohort and return its number; one that was cut off goes on where it was.

    Raises:
        InputError: if there is no save, an archive is damaged, or the folder has results the save does not have.
    """
    with scratch(folder, cohort) as temporary:
        number, who = newest(store.names(), cohort), identity(folder, cohort)
        if not number:
            raise InputError(f"there is no save of {cohort} to restore")
        files = read_listing(store, cohort, number, temporary).files
        missing = missing_files(folder, cohort, files)
        for archive in sorted({entry.archive for entry in missing.values()}):
            wanted = {path: entry for path, entry in missing.items() if entry.archive == archive}
            log.info("restoring %d files from %s", len(wanted), archive)
            copy = temporary / archive
            store.fetch(archive, copy)
            extract(copy, wanted, folder)
            copy.unlink()
        keep(folder, cohort, replace(who, restored=number))
    return number


def is_at_newest(folder: Path, cohort: str, store: Store) -> bool:
    """Return whether there is nothing to restore: no save, one of this folder, or the one it was restored from."""
    with scratch(folder, cohort) as temporary:
        number, who = newest(store.names(), cohort), identity(folder, cohort)
        return follows(who, number, read_listing(store, cohort, number, temporary))


def missing_files(folder: Path, cohort: str, files: dict[str, Entry]) -> dict[str, Entry]:
    """Return the saved files that are not there.

    Raises:
        InputError: if a file is there that the save does not have, or has otherwise.
    """
    there = results_of(folder, cohort) | records_of(folder, cohort)
    same = {
        path
        for path, found in there.items()
        if path in files and (files[path].size, files[path].mtime_ns) == (found.size, found.mtime_ns)
    }
    others = len(there) - len(same) + len(incomplete_of(folder, cohort) if not same else ())
    if others:
        raise InputError(
            f"results/{cohort} and its records already hold {others} files that are not of the save; "
            "restore into a fresh clone, or move them away"
        )
    return {path: entry for path, entry in files.items() if path not in same}

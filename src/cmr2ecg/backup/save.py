"""Save what has changed since the last save, also while Snakemake runs.

A save must not show a job as finished whose files were copied half-way. So the marks of running jobs are read before
the results are copied and again after it, and every job that ran, began or ended in between is saved as incomplete:
Snakemake makes its files anew. The next save has it whole.
"""

import tarfile
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.backup.archive import add_bytes, add_file
from cmr2ecg.backup.contents import (
    INCOMPLETE,
    MARKER,
    METADATA,
    Found,
    incomplete_of,
    record_of,
    records_of,
    results_of,
    target_of,
)
from cmr2ecg.backup.identity import check_follows, identity
from cmr2ecg.backup.manifest import Entry, Listing, from_json, name_of, newest, to_json
from cmr2ecg.backup.scratch import scratch
from cmr2ecg.backup.stores import Store

HALF = 0.5  # an archive of which less is of use is given up: what is left of it is saved again


@dataclass(frozen=True)
class Saved:
    """What a save did: its number, files of the state, files and bytes that were written."""

    number: int
    files: int
    written: int
    size: int


def save(folder: Path, cohort: str, store: Store, afresh: bool = False) -> Saved:
    """Save the cohort's results and Snakemake's records of them; `folder` is the repository's.

    afresh: write every file again and delete all earlier saves, which may hold somebody who has withdrawn since.

    Raises:
        InputError: if the store's newest save is neither of this folder nor the one it was restored from.
    """
    with scratch(folder, cohort) as temporary:
        number, who = newest(store.names(), cohort), identity(folder, cohort)
        old = read_listing(store, cohort, number, temporary)
        check_follows(who, number, old)
        archive = temporary / name_of(cohort, number + 1, "tar")
        with tarfile.open(archive, "w") as tar:
            files = collect(tar, folder, cohort, {} if afresh else still_kept(old))
        written = [entry.size for entry in files.values() if entry.archive == archive.name]
        if not written and files.keys() == old.files.keys():
            return Saved(number, len(files), 0, 0)
        new = Listing(files, {**old.archives, archive.name: sum(written)}, who.writer)
        publish(store, archive, new)
        if afresh:
            tidy(store, cohort, number + 1, new.in_use().keys())
        else:
            tidy(store, cohort, number, old.in_use().keys() | new.in_use().keys())
    return Saved(number + 1, len(files), len(written), sum(written))


def still_kept(old: Listing) -> dict[str, Entry]:
    """Return the last save's files but those of archives most of which is stale."""
    given_up = {name for name, size in old.in_use().items() if size < HALF * old.archives[name]}
    return {path: entry for path, entry in old.files.items() if entry.archive not in given_up}


def collect(tar: tarfile.TarFile, folder: Path, cohort: str, kept: Mapping[str, Entry]) -> dict[str, Entry]:
    """Add what has changed to the archive and return the list of the whole state; see the top of the file."""
    unsure, before = incomplete_of(folder, cohort), records_of(folder, cohort)
    files = add_changed(tar, folder, results_of(folder, cohort), kept)
    unsure |= incomplete_of(folder, cohort)
    after = records_of(folder, cohort)
    files |= add_changed(tar, folder, after, kept)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    unsure |= {target_of(path, METADATA) for path in changed} | incomplete_of(folder, cohort)
    for path in (record_of(target, INCOMPLETE) for target in sorted(unsure)):
        files[path] = kept.get(path) or add_bytes(tar, path, MARKER, 0)
    return files


def add_changed(
    tar: tarfile.TarFile, folder: Path, found: Mapping[str, Found], kept: Mapping[str, Entry]
) -> dict[str, Entry]:
    """Return the list of the found files; those whose size or time differs from the last save's are added."""
    files = {}
    for path, now in found.items():
        entry = kept.get(path)
        if entry is None or (entry.size, entry.mtime_ns) != (now.size, now.mtime_ns):
            entry = add_file(tar, folder, path, now)
        if entry is not None:
            files[path] = entry
    return files


def publish(store: Store, archive: Path, listing: Listing) -> None:
    """Put the archive and then its list into the store: a save without a list does not count."""
    used = listing.in_use()
    if archive.name in used:
        store.put(archive)
    archives = {name: size for name, size in listing.archives.items() if name in used}
    listed = archive.with_suffix(".json")
    listed.write_text(to_json(Listing(listing.files, archives, listing.writer)))
    store.put(listed)


def tidy(store: Store, cohort: str, number: int, used: Set[str]) -> None:
    """Delete the cohort's lists before save `number` and the archives up to it that are not `used`."""
    for name in store.names():
        listed, archive = newest([name], cohort), newest([name], cohort, "tar")
        if 0 < listed < number or (0 < archive <= number and name not in used):
            store.delete(name)


def read_listing(store: Store, cohort: str, number: int, temporary: Path) -> Listing:
    """Return a save's list, an empty one for number 0."""
    if not number:
        return Listing()
    path = temporary / name_of(cohort, number, "json")
    store.fetch(path.name, path)
    return from_json(path.read_text(), cohort, path.name)

"""Save what has changed since the last save, also while Snakemake runs, and restore it with the times of the files.

A save must not show a job as finished whose files were copied half-way. So the marks of running jobs are read before
the results are copied and again after it, and every job that ran, began or ended in between is saved as incomplete:
Snakemake makes its files again. The next save has it whole.
"""

import logging
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cmr2ecg.backup import contents
from cmr2ecg.backup.archive import Entry, add_bytes, add_file, extract
from cmr2ecg.backup.places import Place
from cmr2ecg.backup.session import Listing, identity_file, numbered, session
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import write_json

MIN_USE = 0.5  # share of an archive; one of which less is of use is given up: what is left of it is saved again
log = logging.getLogger(__name__)


class Saved(NamedTuple):
    """What a save did: its number, files of the state, files and bytes that were written."""

    number: int
    files: int
    written: int
    size: int


def save(folder: Path, cohort: str, place: Place, afresh: bool = False) -> Saved:
    """Save the cohort's results and Snakemake's records of them; `folder` is the repository's.

    afresh: write every file again and delete all earlier saves, which may hold somebody who has withdrawn since.

    Raises:
        InputError: if the place's newest save is neither of this folder nor the one it was restored from.
    """
    with session(folder, cohort, place) as now:
        if not now.may_follow():
            raise InputError(
                f"save {now.number} there is of another folder, and this one was not restored from it: "
                "restore into a fresh clone, or save to another place"
            )
        old, archive = now.newest, now.temporary / f"{cohort}_{now.number + 1:06d}.tar"
        with tarfile.open(archive, "w") as tar:
            files = collect(tar, folder, cohort, {} if afresh else still_kept(old))
        written = [entry.size for entry in files.values() if entry.archive == archive.name]
        changed = bool(written) or files.keys() != old.files.keys()
        if changed:
            new = Listing(files=files, archives=old.archives | {archive.name: sum(written)}, writer=now.who.writer)
            publish(place, archive, new)
            tidy(place, cohort, now.number + afresh, new.in_use() if afresh else new.in_use() | old.in_use())
    saved = Saved(now.number + changed, len(files), len(written), sum(written))
    log.info("save %d: %d of %d files written, %.1f MB", saved.number, saved.written, saved.files, saved.size / 1e6)
    return saved


def still_kept(old: Listing) -> dict[str, Entry]:
    """Return the last save's files but those of archives most of which is stale."""
    given_up = {name for name, size in old.in_use().items() if size < MIN_USE * old.archives.get(name, 0)}
    return {path: entry for path, entry in old.files.items() if entry.archive not in given_up}


def collect(tar: tarfile.TarFile, folder: Path, cohort: str, kept: Mapping[str, Entry]) -> dict[str, Entry]:
    """Add what has changed to the archive and return the list of the whole state; see the top of the file."""
    files: dict[str, Entry | None] = {}

    def add(found: Mapping[str, contents.Found]) -> None:
        for path, now in found.items():
            entry = kept.get(path)
            files[path] = entry if entry and entry.is_as(now) else add_file(tar, folder, path, now)

    unsure, before = contents.incomplete_of(folder, cohort), contents.records_of(folder, cohort)
    add(contents.results_of(folder, cohort))
    unsure |= contents.incomplete_of(folder, cohort)
    after = contents.records_of(folder, cohort)
    add(after)
    unsure |= contents.incomplete_of(folder, cohort)
    unsure |= {contents.target_of(path) for path, _ in before.items() ^ after.items()}
    for path in (contents.record_of(target, contents.INCOMPLETE) for target in sorted(unsure)):
        files[path] = kept.get(path) or add_bytes(tar, path, contents.MARKER, 0)
    return {path: entry for path, entry in files.items() if entry}


def publish(place: Place, archive: Path, new: Listing) -> None:
    """Put the archive and then its list into the place: a save without a list does not count."""
    used, listed = new.in_use(), archive.with_suffix(".json")
    if archive.name in used:
        place.put(archive)
    new.archives = {name: size for name, size in new.archives.items() if name in used}
    listed.write_text(new.model_dump_json())
    place.put(listed, whole=True)


def tidy(place: Place, cohort: str, number: int, used: Mapping[str, int]) -> None:
    """Delete the cohort's lists before save `number` and the archives up to it that are not `used`."""
    names = place.names()
    lists, archives = numbered(names, cohort, "json"), numbered(names, cohort, "tar")
    stale = [name for key, name in lists.items() if key < number]
    for name in stale + [name for key, name in archives.items() if key <= number and name not in used]:
        place.delete(name)


def restore(folder: Path, cohort: str, place: Place) -> int:
    """Restore the newest save of a cohort and return its number; one that was cut off resumes where it was.

    Raises:
        InputError: if there is no save, an archive is damaged, or the folder has results the save does not have.
    """
    with session(folder, cohort, place) as now:
        if not now.number:
            raise InputError(f"there is no save of {cohort} to restore")
        missing = missing_files(folder, cohort, now.newest.files)
        for archive in sorted({entry.archive for entry in missing.values()}):
            wanted = {path: entry for path, entry in missing.items() if entry.archive == archive}
            log.info("restoring %d files from %s", len(wanted), archive)
            place.fetch(archive, now.temporary / archive)
            extract(now.temporary / archive, wanted, folder)
            (now.temporary / archive).unlink()
        write_json(identity_file(folder, cohort), {**now.who.model_dump(), "restored": now.number})
    log.info("save %d of %s is restored", now.number, cohort)
    return now.number


def missing_files(folder: Path, cohort: str, files: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the saved files that are not there.

    Raises:
        InputError: if a file is there that the save does not have, or has otherwise.
    """
    there = contents.results_of(folder, cohort) | contents.records_of(folder, cohort)
    missing = {path: entry for path, entry in files.items() if not entry.is_as(there.get(path))}
    same = len(files) - len(missing)
    if others := len(there) - same + (0 if same else len(contents.incomplete_of(folder, cohort))):
        raise InputError(
            f"results/{cohort} and its records already hold {others} files that are not of the save; "
            "restore into a fresh clone, or move them away"
        )
    return missing

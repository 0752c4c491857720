"""List everything below a folder of raw files, or raise an error that names the folder that cannot be listed.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from cmr2ecg.runtime.command import InputError

NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
log = logging.getLogger(__name__)


def files_below(folder: str, setting: str) -> Iterator[str]:
    """Yield the path of every non-folder below a folder, at any depth: files, but also pipes and links.

    Links to folders are followed, after all real folders; each folder is searched once, so that a link to a parent
    folder is harmless. Broken links are yielded, and counted in a warning.

    Raises:
        InputError: if a folder cannot be listed; names the setting and the folder.
    """
    seen: set[tuple[int, int]] = set()
    pending = [folder]
    links: list[str] = []
    broken: list[str] = []
    while pending or links:
        if not pending:
            links.sort(reverse=True)
            pending.append(links.pop())
        parent = pending.pop()
        with _told(parent, setting):
            status = os.stat(parent)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(parent) as entries:
                found = [(entry.path, *_kind(entry)) for entry in entries]
        for path, is_folder, is_link, is_broken in found:
            if is_folder:
                (links if is_link else pending).append(path)
            else:
                broken += [parent] * is_broken
                yield path
    if broken:
        log.warning("%s: %d broken links, the first in %s", setting, len(broken), shown(broken[0]))


def shown(path: str) -> str:
    r"""Return a printable path; bytes that are not UTF-8 are shown as \xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _kind(entry: os.DirEntry) -> tuple[bool, bool, bool]:
    """Return whether an entry is a folder, a link, and a broken link."""
    if not entry.is_symlink():
        return entry.is_dir(), False, False
    try:
        return stat.S_ISDIR(entry.stat().st_mode), True, False
    except OSError as error:
        if error.errno in NOWHERE:
            return False, True, True
        raise


@contextmanager
def _told(folder: str, setting: str) -> Iterator[None]:
    """Turn an OSError of the block into an InputError that names setting and place."""
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error.filename, str) else folder
        raise InputError(
            f"{setting}: {shown(place)} cannot be listed ({error.strerror}); "
            "make it readable, or mount its disk, and run again"
        ) from error

"""Files into one tar, and out of it again. Many small files are slow to upload one by one."""

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel

from cmr2ecg.backup.contents import Found
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic, sha256


class Entry(BaseModel):
    """A saved file: bytes, time of last change in ns, SHA-256, and the archive it lies in."""

    size: int
    mtime_ns: int
    sha256: str
    archive: str

    def is_as(self, found: Found | None) -> bool:
        """Return whether a file looks as it did when it was saved; only changed files are read again."""
        return (self.size, self.mtime_ns) == found


class Counted:
    """Reads a file, zeros where it has become shorter than what is asked for, and takes the digest."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.short, self.sha256 = file, False, hashlib.sha256()

    def read(self, count: int = 0, /) -> bytes:
        """Return the next bytes."""
        block = self.file.read(count)
        self.short |= len(block) < count
        block = block.ljust(count, b"\0")
        self.sha256.update(block)
        return block


def add_file(tar: tarfile.TarFile, folder: Path, path: str, found: Found) -> Entry | None:
    """Add a file as it was found and return its entry; None if it is gone or has become shorter meanwhile.

    Of an SQLite database a copy without half a transaction is added.
    """
    try:
        if path.endswith(".db"):
            os.stat(folder / path)  # sqlite3 would create a missing one
            with contextlib.closing(sqlite3.connect(folder / path)) as database:
                return add_bytes(tar, path, database.serialize(), found.mtime_ns)
        with open(folder / path, "rb") as file:
            return _add(tar, path, file, found)
    except FileNotFoundError:
        return None


def add_bytes(tar: tarfile.TarFile, path: str, content: bytes, mtime_ns: int) -> Entry | None:
    """Add `content` under a path."""
    return _add(tar, path, io.BytesIO(content), Found(len(content), mtime_ns))


def _add(tar: tarfile.TarFile, path: str, file: BinaryIO, found: Found) -> Entry | None:
    info, counted = tarfile.TarInfo(path), Counted(file)
    info.size, info.mtime = found.size, found.mtime_ns // 10**9
    tar.addfile(info, counted)  # reads info.size bytes
    archive = Path(str(tar.name)).name
    return None if counted.short else Entry(**found._asdict(), sha256=counted.sha256.hexdigest(), archive=archive)


def extract(archive: Path, wanted: Mapping[str, Entry], folder: Path) -> None:
    """Write the wanted files of an archive below `folder`, with their times.

    Raises:
        InputError: if one is absent or damaged.
    """
    left = dict(wanted)
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if entry := left.pop(member.name, None):
                    _write(tar, member, entry, folder / member.name)
    except tarfile.TarError as error:
        raise InputError(f"{archive.name} of the backup is damaged: {error}") from None
    if left:
        raise InputError(f"{archive.name} of the backup lacks {len(left)} of its files")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry, path: Path) -> None:
    source = tar.extractfile(member) if member.isreg() else None
    if source is None or member.size != entry.size:
        raise InputError(f"{entry.archive} of the backup holds something else as {member.name}")
    with atomic(path) as partial:
        with open(partial, "wb") as file:
            shutil.copyfileobj(source, file)
        if sha256(partial) != entry.sha256:
            raise InputError(f"{entry.archive} of the backup is damaged: {member.name} has another digest")
        os.utime(partial, ns=(entry.mtime_ns, entry.mtime_ns))

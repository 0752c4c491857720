"""Files into one tar, and out of it again. Many small files are slow to upload one by one."""

import contextlib
import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cmr2ecg.backup.contents import Found
from cmr2ecg.backup.manifest import Entry
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic

BLOCK = 1 << 20


class Counted:
    """Reads exactly `size` bytes, zeros where the file has become shorter, and takes their digest."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.left, self.short, self.sha256 = file, size, False, hashlib.sha256()

    def read(self, count: int) -> bytes:
        """Return the next bytes."""
        count = min(count, self.left)
        block = self.file.read(count)
        if len(block) < count:
            self.short = True
            block += bytes(count - len(block))
        self.left -= len(block)
        self.sha256.update(block)
        return block


def add_file(tar: tarfile.TarFile, folder: Path, path: str, found: Found) -> Entry | None:
    """Add a file as it was found and return its entry; None if it is gone or has become shorter meanwhile."""
    try:
        with _opened(folder / path) as (file, size):
            return _add(tar, path, file, Found(found.size if size is None else size, found.mtime_ns))
    except FileNotFoundError:
        return None


def add_bytes(tar: tarfile.TarFile, path: str, content: bytes, mtime_ns: int) -> Entry:
    """Add `content` under a path."""
    entry = _add(tar, path, io.BytesIO(content), Found(len(content), mtime_ns))
    assert entry is not None
    return entry


def _add(tar: tarfile.TarFile, path: str, file: BinaryIO, found: Found) -> Entry | None:
    info = tarfile.TarInfo(path)
    info.size, info.mtime = found.size, found.mtime_ns // 10**9
    counted = Counted(file, found.size)
    tar.addfile(info, counted)
    if counted.short:
        return None
    return Entry(found.size, found.mtime_ns, counted.sha256.hexdigest(), Path(os.fsdecode(tar.name)).name)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Yield a file to read; of an SQLite database a copy without half a transaction, with its size."""
    if path.suffix != ".db":
        with open(path, "rb") as file:
            yield file, None
        return
    path.stat()  # sqlite3 would create a missing one
    with contextlib.closing(sqlite3.connect(path)) as database:
        content = database.serialize()
    yield io.BytesIO(content), len(content)


def extract(archive: Path, wanted: dict[str, Entry], folder: Path) -> None:
    """Write the wanted files of an archive below `folder`, with their times.

    Raises:
        InputError: if one is absent or damaged.
    """
    left = dict(wanted)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                entry = left.pop(member.name, None)
                if entry is not None:
                    _write(tar, member, entry, folder / member.name)
    except tarfile.TarError as error:
        raise InputError(f"{archive.name} of the backup is damaged: {error}") from None
    if left:
        raise InputError(f"{archive.name} of the backup lacks {len(left)} of its files")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None or member.size != entry.size:
        raise InputError(f"{entry.archive} of the backup holds something else as {member.name}")
    digest = hashlib.sha256()
    with atomic(path) as partial:
        with open(partial, "wb") as file:
            for block in iter(lambda: source.read(BLOCK), b""):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != entry.sha256:
            raise InputError(f"{entry.archive} of the backup is damaged: {member.name} has another digest")
        os.utime(partial, ns=(entry.mtime_ns, entry.mtime_ns))

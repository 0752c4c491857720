"""Open a zip that came from outside: sizes bounded, nothing written to disk."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmr2ecg.ukb.rejection import Rejection

MAX_DIRECTORY_BYTES = 4_000_000  # the zip's table of contents; a real one has 600 entries of 150 bytes
MAX_MEMBERS = 5_000
MAX_MEMBER_BYTES = 16_000_000  # a frame of 1024 x 1024 pixels has 2 MB
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@contextmanager
def open_archive(path: Path | str) -> Iterator[zipfile.ZipFile]:
    """Yield a zip whose table of contents is sane; members may still be damaged.

    Raises:
        Rejection: not a zip, too many members, a member that declares too many bytes, or one whose name leads out of
            the archive (names are never used as paths; such a file was not made by UK Biobank).
    """
    try:
        _check_directory_size(path)
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error
    except DAMAGED as error:
        raise Rejection("not a zip", str(error)) from error
    with archive:
        _check_members(archive.infolist())
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, limit: int | None = None) -> bytes:
    """Return the first `limit` bytes of a member, or all of it (with its checksum checked).

    Raises:
        Rejection: if it is damaged, encrypted or packed in a way Python cannot read.
    """
    try:
        with archive.open(name) as member:
            return member.read() if limit is None else member.read(limit)
    except (*DAMAGED, KeyError) as error:
        raise Rejection("damaged zip member", type(error).__name__) from error


def _check_directory_size(path: Path | str) -> None:
    """Read the size the table of contents declares (zip specification 4.3.16), before zipfile loads it."""
    with open(path, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 65_557))
        tail = handle.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) < start + 22:
        raise zipfile.BadZipFile("no end record")
    (directory,) = struct.unpack_from("<I", tail, start + 12)
    if directory > MAX_DIRECTORY_BYTES:
        raise Rejection("too many zip members", f"table of contents of {directory} bytes")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise Rejection("too many zip members", str(len(members)))
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if not parts[0] or parts[0].endswith(":") or ".." in parts:
            raise Rejection("zip member leads out of the archive")
        if member.file_size > MAX_MEMBER_BYTES:
            raise Rejection("zip member too large", f"{member.file_size} bytes")

"""Open an untrusted zip: sizes bounded, nothing written to disk."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cmr2ecg.raw.plain_file import check_plain
from cmr2ecg.raw.rejection import Rejection

MAX_DIRECTORY_BYTES = 1_000_000  # central directory; a real one has 600 entries of 150 bytes
END_BYTES = 22 + 65_536 + 76  # end record, longest comment, and the preceding 64-bit records
MAX_MEMBERS = 5_000
MAX_MEMBER_BYTES = 16_000_000  # a frame of 1024 x 1024 pixels has 2 MB
MAX_TOTAL_BYTES = 1_000_000_000  # declared by all members together; a real zip has 60 MB
LOCAL_HEADER_BYTES = 30  # before each member, with its name
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python inflates these in bounded chunks, unlike bzip2 and lzma
ENCRYPTED = 0x1  # general purpose flag, zip specification 4.4.4
PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: made on a system without Unix file types
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@contextmanager
def open_archive(path: Path | str) -> Iterator[zipfile.ZipFile]:
    """Yield a zip with a valid central directory; members may still be damaged.

    Raises:
        Rejection: not a regular file, not a zip, too many members, or a member that is too large, encrypted, neither
            stored nor deflated, a link, listed twice, overlapping another, or named so that it points
            outside the archive (names are never used as paths; such a file is not from UK Biobank).
    """
    try:
        check_plain(path, MAX_TOTAL_BYTES)
        with open(path, "rb") as handle:
            _check_directory_size(handle)
        archive = zipfile.ZipFile(path)
    except (FileNotFoundError, PermissionError) as error:
        raise Rejection("file cannot be opened", type(error).__name__) from error
    except (*DAMAGED, struct.error) as error:
        raise Rejection("not a zip", type(error).__name__) from error  # the message may contain the path, hence the eid
    with archive:
        _check_members(archive.infolist())
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, limit: int | None = None) -> bytes:
    """Return the first `limit` bytes of a member, or all of it (with its checksum checked).

    At most the declared size is inflated, which open_archive has bounded; without a limit zipfile would inflate
    everything before checking that size.

    Raises:
        Rejection: if it is damaged.
    """
    try:
        with archive.open(name) as member:
            return member.read(archive.getinfo(name).file_size if limit is None else limit)
    except (*DAMAGED, KeyError) as error:
        raise Rejection("damaged zip member", type(error).__name__) from error


def _check_directory_size(handle: BinaryIO) -> None:
    """Read the declared size of the central directory (zip specification 4.3.14 to 4.3.16), before zipfile loads it."""
    size = handle.seek(0, 2)
    handle.seek(max(0, size - END_BYTES))
    tail = handle.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("no end record")
    (declared,) = struct.unpack_from("<I", tail, end + 12)
    if end >= 76 and tail.startswith(b"PK\x06\x07", end - 20) and tail.startswith(b"PK\x06\x06", end - 76):
        (declared,) = struct.unpack_from("<Q", tail, end - 36)  # zipfile then uses only the 64-bit record
    if declared > MAX_DIRECTORY_BYTES:
        raise Rejection("too many zip members", f"central directory of {declared} bytes")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise Rejection("too many zip members", str(len(members)))
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if not parts[0] or parts[0][1:2] == ":" or ".." in parts:
            raise Rejection("zip member leads out of the archive")
        if member.file_size > MAX_MEMBER_BYTES:
            raise Rejection("zip member too large", f"{member.file_size} bytes")
        if stat.S_IFMT(member.external_attr >> 16) not in PLAIN:
            raise Rejection("zip member is no plain file")
        if member.flag_bits & ENCRYPTED:
            raise Rejection("encrypted zip member")
        if member.compress_type not in PACKINGS:
            raise Rejection("unsupported zip compression", str(member.compress_type))
    if len({member.filename for member in members}) < len(members):
        raise Rejection("zip member listed twice")
    if sum(member.file_size for member in members) > MAX_TOTAL_BYTES:
        raise Rejection("zip members too large together")
    _check_overlaps(members)


def _check_overlaps(members: list[zipfile.ZipInfo]) -> None:
    """Reject overlapping members: they make a small file large without any single large member."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise Rejection("zip members overlap")
        end = member.header_offset + LOCAL_HEADER_BYTES + member.compress_size

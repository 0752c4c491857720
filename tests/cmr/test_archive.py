import os
import struct
import zipfile

import pytest

from cmr2ecg.cmr.archive import open_archive, read_member
from cmr2ecg.raw.rejection import Rejection


def reason_of(path, name=None):
    with pytest.raises(Rejection) as caught, open_archive(path) as archive:
        read_member(archive, name)
    return caught.value.reason


def write(path, *members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_members_come_back_whole_or_in_part(tmp_path):
    path = write(tmp_path / "x.zip", ("a.dcm", b"abc" * 5000), compression=zipfile.ZIP_DEFLATED)
    with open_archive(path) as archive:
        assert read_member(archive, "a.dcm") == b"abc" * 5000
        assert read_member(archive, "a.dcm", 4) == b"abca"


def test_a_member_that_declares_a_gigabyte(tmp_path):
    path = write(tmp_path / "x.zip", ("a.dcm", b"abc"))
    content = path.read_bytes()
    place = content.index(b"PK\x01\x02") + 24
    path.write_bytes(content[:place] + struct.pack("<I", 1_000_000_000) + content[place + 4 :])
    assert reason_of(path) == "zip member too large"


def test_many_members_that_are_large_together(tmp_path):
    path = tmp_path / "x.zip"
    write(path, *((f"{number}.dcm", b"") for number in range(70)))
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    table = bytearray(content[start:])
    for place in range(len(table)):
        if table[place : place + 4] == b"PK\x01\x02":
            table[place + 24 : place + 28] = struct.pack("<I", 15_000_000)
    path.write_bytes(content[:start] + table)
    assert reason_of(path) == "zip members too large together"


def test_members_that_share_bytes(tmp_path):
    """Every entry of the directory points at the first member, as a bomb of overlapping files does."""
    path = write(tmp_path / "x.zip", *((f"{number}.dcm", b"abc" * 100) for number in range(5)))
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    table = bytearray(content[start:])
    for place in range(len(table)):
        if table[place : place + 4] == b"PK\x01\x02":
            table[place + 42 : place + 46] = bytes(4)
    path.write_bytes(content[:start] + table)
    assert reason_of(path) in ("zip members overlap", "not a zip")  # newer Pythons look themselves


@pytest.mark.parametrize(
    ("kind", "reason"), [(0o120777, "zip member is no plain file"), (0o020666, "zip member is no plain file")]
)
def test_links_and_devices_as_members(tmp_path, kind, reason):
    info = zipfile.ZipInfo("a.dcm")
    info.external_attr = kind << 16
    assert reason_of(write(tmp_path / "x.zip", (info, b"/etc/passwd"))) == reason


def test_links_pipes_and_folders_are_not_opened(tmp_path):
    path = write(tmp_path / "x.zip", ("a.dcm", b"abc"))
    (tmp_path / "link.zip").symlink_to(path)
    assert reason_of(tmp_path / "link.zip") == "file cannot be opened"
    os.mkfifo(tmp_path / "pipe.zip")
    assert reason_of(tmp_path / "pipe.zip") == "file cannot be opened"
    assert reason_of(tmp_path) == "file cannot be opened"


def test_other_packings_encryption_and_names_twice(tmp_path):
    assert reason_of(write(tmp_path / "a.zip", ("a", b"x"), compression=zipfile.ZIP_LZMA)) == (
        "unsupported zip compression"
    )
    path = write(tmp_path / "b.zip", ("a", b"x"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert reason_of(path) == "encrypted zip member"
    with pytest.warns(UserWarning, match="Duplicate"):
        write(tmp_path / "c.zip", ("a", b"x"), ("a", b"y"))
    assert reason_of(tmp_path / "c.zip") == "zip member listed twice"


def test_a_directory_of_absurd_size_is_not_loaded(tmp_path):
    path = tmp_path / "x.zip"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 0xFFFFFFF0, 0, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(1000) + end)
    assert reason_of(path) == "too many zip members"
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 10**11, 0)
    small = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(record + locator + small)
    assert reason_of(path) == "too many zip members"


def test_a_member_with_damage_or_a_wrong_checksum(tmp_path):
    path = write(tmp_path / "x.zip", ("a.dcm", b"abc" * 5000), compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(content)
    assert reason_of(path, "a.dcm") == "damaged zip member"

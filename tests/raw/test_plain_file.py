import os

import pytest

from cmr2ecg.raw import plain_file
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection


def detail_of(path) -> str:
    with pytest.raises(Rejection, match="file cannot be opened") as caught:
        read_plain(path, 100)
    return caught.value.detail


def special(folder):
    """A link, a folder, a pipe and a file, each with a file's name."""
    (folder / "file.xml").write_bytes(b"content")
    (folder / "link.xml").symlink_to("file.xml")
    (folder / "folder.xml").mkdir()
    os.mkfifo(folder / "pipe.xml")
    return folder


def test_only_plain_files_are_read(tmp_path):
    special(tmp_path)
    assert read_plain(tmp_path / "file.xml", 7) == b"content"
    assert detail_of(tmp_path / "link.xml") == "a symbolic link"
    assert detail_of(tmp_path / "folder.xml") == "a folder"
    assert detail_of(tmp_path / "pipe.xml") == "a pipe"
    assert detail_of("/dev/zero") == "no plain file"
    assert detail_of(tmp_path / "absent.xml") == "FileNotFoundError"
    assert detail_of(tmp_path / ("x" * 300)) == "OSError"
    assert detail_of("a\0b.xml") == "ValueError"
    with pytest.raises(Rejection, match="file too large"):
        read_plain(tmp_path / "file.xml", 6)


def test_what_takes_a_file_s_place_after_the_look_is_not_read(tmp_path, monkeypatch):
    special(tmp_path)
    monkeypatch.setattr(plain_file, "check_plain", lambda path, max_bytes: None)
    assert detail_of(tmp_path / "link.xml") == "OSError"
    assert detail_of(tmp_path / "pipe.xml") == "a pipe"
    assert detail_of(tmp_path / "folder.xml") == "IsADirectoryError"

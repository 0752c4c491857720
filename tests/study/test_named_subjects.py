"""The file of the subjects that a config names: its version changes with the list and says nothing of it."""

import pytest

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.named_subjects import read_named, version_of, write_named


def test_a_list_keeps_its_version_and_another_list_gets_another(tmp_path):
    path = tmp_path / "named.json"
    first = version_of(path, [9000001])
    assert not path.exists() and first != version_of(path, [9000001])  # drawn, not computed from the ids
    write_named(path, [9000001], first)
    assert version_of(path, [9000001]) == first and read_named(path) == (first, [9000001])
    assert version_of(path, [9000002]) != first and version_of(path, [9000001, 9000001]) != first


def test_a_damaged_file_holds_no_list(tmp_path):
    path = tmp_path / "named.json"
    for text in ("", "{}", "[1]", '{"version": "", "eids": [9000001]}'):
        path.write_text(text)
        assert len(version_of(path, [9000001])) == 16
    path.write_text("{}")
    with pytest.raises(InputError, match="delete it and run again"):
        read_named(path)

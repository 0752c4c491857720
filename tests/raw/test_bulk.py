import errno
import os

import pytest

from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.raw.bulk import CMR_FIELD, ECG_FIELD, earliest_pairs, list_bulk, list_files
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.raw.stamp import stamp
from cmr2ecg.runtime.command import InputError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_files_are_found_by_name_at_any_depth(tmp_path):
    flat = touch(tmp_path / "9000001_20205_2_0.xml")
    deep = touch(tmp_path / "Bulk/Electrocardiogram/90/9000002_20205_3_0.XML")
    for other in (
        "9000003_20209_2_0.zip",
        "9000004_20205_2_0.xml.part",
        "notes.xml",
        "x9000005_20205_2_0.xml",
    ):
        touch(tmp_path / other)
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000001, 2): flat, (9000002, 3): deep}


def test_the_first_folder_and_the_lower_array_index_count(tmp_path):
    touch(tmp_path / "b/9000001_20209_2_0.zip")
    first = touch(tmp_path / "a/9000001_20209_2_1.zip")
    better = touch(tmp_path / "a/deep/9000001_20209_2_0.zip")
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert list_bulk(folders, CMR_FIELD) == {(9000001, 2): better}
    assert first != better


def test_a_text_file_of_paths_stands_for_a_folder(tmp_path):
    listing = tmp_path / "files.txt"
    listing.write_text("/mnt/project/90/9000001_20205_2_0.xml\n\n/mnt/project/other.txt\n")
    assert list_bulk([str(listing)], ECG_FIELD) == {(9000001, 2): "/mnt/project/90/9000001_20205_2_0.xml"}


def test_wfdb_headers_stand_for_ecgs_alone(tmp_path):
    header = touch(tmp_path / "9000001_20205_2_0.hea")
    touch(tmp_path / "9000001_20209_2_0.hea")
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000001, 2): header}
    assert list_bulk([str(tmp_path)], CMR_FIELD) == {}


@pytest.mark.parametrize("ending", ["dcm", "SCP", "edf", "bdf"])
def test_other_ecg_formats_have_their_own_endings(tmp_path, ending):
    path = touch(tmp_path / f"9000001_20205_2_0.{ending}")
    touch(tmp_path / f"9000002_20209_2_0.{ending}")
    touch(tmp_path / "9000003_20205_2_0.dat")
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000001, 2): path}
    assert list_bulk([str(tmp_path)], CMR_FIELD) == {}


def test_relative_paths_start_at_the_list(tmp_path):
    listing = tmp_path / "lists" / "ecg.txt"
    listing.parent.mkdir()
    listing.write_text("./90/9000001_20205_2_0.xml\r\n../9000002_20205_3_0.xml\n", encoding="utf-8-sig")
    found = list_bulk([str(listing)], ECG_FIELD)
    assert found == {
        (9000001, 2): f"{tmp_path}/lists/./90/9000001_20205_2_0.xml",
        (9000002, 3): f"{tmp_path}/lists/../9000002_20205_3_0.xml",
    }


def test_the_output_of_dx_find_data_is_a_list(tmp_path):
    listing = tmp_path / "dx.txt"
    folder = "/Bulk/Heart MRI/Short axis/90"
    listing.write_text(
        f"closed  2023-05-04 10:11:12 45.67 MB {folder}/9000001_20209_2_0.zip (file-GYbkjQ8J0000000000000001)\n"
        f"closed  2023-05-04 10:11:12 45.67 MB {folder}/9000002_20209_3_0.zip (project-X1:file-GYbkjQ8J0000002)\n"
        f"closed  2023-05-04 10:11:12 1.2 KB {folder}/readme.txt (file-GYbkjQ8J0000000000000003)\n"
    )
    assert list_bulk([str(listing)], CMR_FIELD) == {
        (9000001, 2): f"/mnt/project{folder}/9000001_20209_2_0.zip",
        (9000002, 3): f"/mnt/project{folder}/9000002_20209_3_0.zip",
    }


def test_a_file_that_is_no_list_is_named(tmp_path):
    (tmp_path / "archive.zip").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"raw\.cmr: .*archive\.zip is neither"):
        list_bulk([str(tmp_path / "archive.zip")], CMR_FIELD)


def test_a_missing_folder_names_the_setting_and_the_path(tmp_path):
    with pytest.raises(InputError, match=r"raw\.cmr.*nowhere"):
        list_bulk([str(tmp_path / "nowhere")], CMR_FIELD)
    with pytest.raises(InputError, match=r"raw\.ecg is empty"):
        list_bulk([], ECG_FIELD)


def test_the_earliest_visit_with_both_files_counts():
    ecg = dict.fromkeys([(1, 2), (1, 3), (2, 3), (3, 2), (4, 2)], "")
    cmr = dict.fromkeys([(1, 3), (1, 2), (2, 3), (3, 3), (4, 2)], "")
    assert earliest_pairs(ecg, cmr, [2, 3]) == {1: 2, 2: 3, 4: 2}
    assert earliest_pairs(ecg, cmr, [3]) == {1: 3, 2: 3}


def broken_disk(monkeypatch, folder, number):
    """Let one folder fail to be listed, as a disk without permission or a lost mount does."""
    scan = os.scandir

    def scandir(path):
        if str(path) == str(folder):
            raise OSError(number, os.strerror(number), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch, number):
    touch(tmp_path / "9000001_20205_2_0.xml")
    touch(tmp_path / "90/deep/9000002_20205_2_0.xml")
    broken_disk(monkeypatch, tmp_path / "90/deep", number)
    with pytest.raises(InputError, match=rf"raw\.ecg: .*/90/deep cannot be listed \({os.strerror(number)}\)"):
        list_bulk([str(tmp_path)], ECG_FIELD)


def test_a_link_to_a_folder_is_followed_once(tmp_path):
    touch(tmp_path / "disk/9000001_20205_2_0.xml")
    touch(tmp_path / "disk/90/9000002_20205_2_0.xml")
    own = touch(tmp_path / "raw/9000003_20205_2_0.xml")
    (tmp_path / "raw/a_link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/90/loop").symlink_to(tmp_path / "raw")
    (tmp_path / "raw/b_link").symlink_to(tmp_path / "disk/90")
    found = {
        (9000001, 2): str(tmp_path / "raw/a_link/9000001_20205_2_0.xml"),
        (9000002, 2): str(tmp_path / "raw/a_link/90/9000002_20205_2_0.xml"),
        (9000003, 2): own,
    }
    assert list_bulk([str(tmp_path / "raw")], ECG_FIELD) == found
    (tmp_path / "top").symlink_to(tmp_path / "disk")
    assert len(list_bulk([str(tmp_path / "top")], ECG_FIELD)) == 3


def test_links_that_lead_nowhere_are_counted_and_the_file_is_left_to_the_quality_check(tmp_path, caplog):
    (tmp_path / "90").mkdir()
    (tmp_path / "90/of_a_lost_disk").symlink_to(tmp_path / "nowhere")
    lost = tmp_path / "90/9000001_20205_2_0.xml"
    lost.symlink_to("itself")
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000001, 2): str(lost)}
    assert f"raw.ecg: 2 broken links, the first in {tmp_path}/90" in caplog.text
    with pytest.raises(Rejection, match="cannot be opened"):
        read_ecg(lost)


def test_a_folder_under_a_files_name_is_no_file_and_a_pipe_is_rejected(tmp_path):
    inside = touch(tmp_path / "9000001_20205_2_0.xml/9000002_20205_2_0.xml")
    pipe = tmp_path / "9000003_20205_2_0.xml"
    os.mkfifo(pipe)
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000002, 2): inside, (9000003, 2): str(pipe)}
    with pytest.raises(Rejection, match="cannot be opened"):
        read_ecg(pipe)
    listing = tmp_path / "list.txt"
    listing.write_text("9000001_20205_2_0.xml\n")
    with pytest.raises(Rejection, match="cannot be opened"):
        read_ecg(list_bulk([str(listing)], ECG_FIELD)[9000001, 2])


def test_names_that_are_not_utf8_are_read_and_shown(tmp_path, monkeypatch):
    folder = os.fsencode(tmp_path) + b"/M\xfcnchen"
    os.mkdir(folder)
    for name in (b"9000001_20205_2_0.xml", b"\xff_20205_2_0.xml"):
        with open(folder + b"/" + name, "wb"):
            pass
    path = os.fsdecode(folder + b"/9000001_20205_2_0.xml")
    assert list_bulk([str(tmp_path)], ECG_FIELD) == {(9000001, 2): path}
    (tmp_path / "list.txt").write_bytes(folder + b"/9000001_20205_2_0.xml\n")
    assert list_bulk([str(tmp_path / "list.txt")], ECG_FIELD) == {(9000001, 2): path}
    broken_disk(monkeypatch, os.fsdecode(folder), errno.EIO)
    with pytest.raises(InputError, match=r"/M\\xfcnchen cannot be listed"):
        list_bulk([str(tmp_path)], ECG_FIELD)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("90/9000001_20205_2_0.xml\n\n'90/9000002_20205_2_0.xml'\n", "line 3: not a path"),
        ("-rw-r--r-- 1 me us 9 Jan 1 9000001_20205_2_0.xml\n", "line 1: not a path"),
        ("project-X1:file-Y1\nproject-X1:file-Y2\n", "names no such file in its 2 lines"),
        ("90/9000001_20205_2_0.xml\n".encode("utf-16").decode("latin-1"), "neither a folder nor a text file"),
    ],
)
def test_a_list_that_is_not_understood_is_refused(tmp_path, text, said):
    (tmp_path / "list.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=rf"raw\.ecg: .*list\.txt.*{said}"):
        list_bulk([str(tmp_path / "list.txt")], ECG_FIELD)


def test_a_list_states_what_a_file_is(tmp_path):
    (tmp_path / "list.txt").write_text(
        "a b/9000001_20205_2_0.xml\t517\t1700000001.1234567890\n"
        "closed  2023-05-04 10:11:12 45.67 MB /a/9000002_20205_2_0.xml (project-X1:file-Y1)\n"
        "9000003_20205_2_0.xml\n._9000003_20205_2_0.xml\n9000003_20205_2_0.xml.part\n"
    )
    found = list_files([str(tmp_path / "list.txt")], ECG_FIELD)
    assert {key: file[:2] for key, file in found.items()} == {
        (9000001, 2): (f"{tmp_path}/a b/9000001_20205_2_0.xml", stamp(517, 1700000001.9)),
        (9000002, 2): ("/mnt/project/a/9000002_20205_2_0.xml", "file-Y1"),
        (9000003, 2): (f"{tmp_path}/9000003_20205_2_0.xml", ""),
    }

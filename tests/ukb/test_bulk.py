import pytest

from cmr2ecg.command import InputError
from cmr2ecg.ukb.bulk import CMR_FIELD, ECG_FIELD, earliest_pairs, list_bulk


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

import os
import shutil

from cmr2ecg.raw.segmentation import stamp_of_folder
from cmr2ecg.raw.stamp import SMALL_BYTES, _by_stem, stamp_of_file, stamp_of_table

TIME = 1_700_000_000


def write(path, text="abc", seconds=TIME):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))
    return str(path)


def stamped(path):
    _by_stem.cache_clear()  # of another run
    return stamp_of_file(path)


def test_a_copy_elsewhere_with_the_same_times_is_the_same_file(tmp_path):
    first = stamped(write(tmp_path / "a/9000001_20209_2_0.zip"))
    assert stamped(shutil.copy2(tmp_path / "a/9000001_20209_2_0.zip", tmp_path)) == first
    # a disk or archive that keeps whole or every second second
    assert stamped(write(tmp_path / "b/9000001_20209_2_0.zip", seconds=TIME + 1.9)) == first


def test_a_file_fetched_again_is_another(tmp_path):
    path = tmp_path / "9000001_20209_2_0.zip"
    first = stamped(write(path))
    assert stamped(write(path, "abcd")) != first
    assert stamped(write(path, seconds=TIME + 60)) != first
    path.unlink()
    assert stamped(str(path)) == "9000001_20209_2_0.zip absent"


def test_a_list_spares_the_look_at_the_file(tmp_path):
    assert stamp_of_file(str(tmp_path / "9000001_20209_2_0.zip"), "file-X") == "9000001_20209_2_0.zip file-X"


def test_the_signals_beside_a_header_belong_to_it(tmp_path):
    header = write(tmp_path / "9000001_20205_2_0.hea")
    write(tmp_path / "9000001_20205_2_0.dat")
    first = stamped(header)
    write(tmp_path / "9000002_20205_2_0.dat", "another record")
    assert stamped(header) == first
    write(tmp_path / "9000001_20205_2_0.dat", "longer")
    assert stamped(header) != first


def test_the_images_in_the_folder_of_a_segmentation_belong_to_it(tmp_path):
    folder = tmp_path / "9000001"
    write(folder / "seg_sa_ED.nii.gz")
    first = stamp_of_folder(str(folder))
    write(folder / "notes.txt")
    assert stamp_of_folder(str(folder)) == first
    write(folder / "sa_ED.nii.gz")
    second = stamp_of_folder(str(folder))
    write(folder / "seg_sa_ED.nii.gz", "drawn anew")
    assert len({first, second, stamp_of_folder(str(folder))}) == 3


def test_the_content_of_a_small_table_decides_and_of_a_large_one_size_and_time(tmp_path):
    small = write(tmp_path / "labels.csv", "eid,cad\n")
    first = stamp_of_table(small)
    assert stamp_of_table(write(tmp_path / "labels.csv", "eid,cad\n", TIME + 60)) == first
    assert stamp_of_table(write(tmp_path / "labels.csv", "eid,dm1\n")) != first
    large = write(tmp_path / "tabular.csv", "1" * SMALL_BYTES)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/tabular.csv").symlink_to(large)
    assert stamp_of_table(large) == stamp_of_table(str(tmp_path / "link/tabular.csv"))
    assert stamp_of_table(large) != stamp_of_table(write(tmp_path / "tabular.csv", "1" * SMALL_BYTES, TIME + 60))

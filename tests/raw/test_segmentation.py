import pytest

from cmr2ecg.raw.segmentation import list_segmentations
from cmr2ecg.runtime.command import InputError


def make(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return str(folder)


def test_folders_are_found_by_name_at_any_depth(tmp_path):
    paths = {
        (9_000_001, None): make(tmp_path / "9000001", "seg_sa.nii.gz"),
        (9_000_002, 2): make(tmp_path / "visit" / "9000002_2", "seg_sa_ED.nii.gz"),
        (9_000_002, 3): make(tmp_path / "a" / "b" / "9000002_20209_3_0", "label_sa_ES.nii"),
        (9_000_003, 2): make(tmp_path / "9000003_2_0", "seg_sa_ES.nii.gz"),
    }
    make(tmp_path / "9000004", "sa.nii.gz", "seg_la_4ch.nii.gz")  # no short-axis labels
    make(tmp_path / "notes", "seg_sa.nii.gz")
    assert list_segmentations([str(tmp_path)]) == paths
    listed = tmp_path / "list.txt"
    listed.write_text(
        "\n".join(f"{path}/seg_sa.nii.gz" for path in paths.values()) + f"\n{tmp_path}/9000004/sa.nii.gz\n"
    )
    assert list_segmentations([str(listed)]) == paths


def test_the_first_folder_counts_and_a_missing_one_is_named(tmp_path):
    first = make(tmp_path / "b" / "9000001", "seg_sa.nii.gz")
    make(tmp_path / "a" / "9000001", "seg_sa.nii.gz")
    assert list_segmentations([str(tmp_path / "b"), str(tmp_path / "a")]) == {(9_000_001, None): first}
    assert list_segmentations([]) == {}
    with pytest.raises(InputError, match=r"raw\.segmentations: there is no folder"):
        list_segmentations([str(tmp_path / "absent")])

import shutil

import pandas as pd
import pytest

from cmr2ecg.cohort.visits import check_still_there, located, read_folders
from cmr2ecg.runtime.command import InputError


@pytest.fixture
def visits(tmp_path):
    names = {eid: f"{eid}_20205_2_0.xml" for eid in range(9000001, 9000021)}
    for name in names.values():
        (tmp_path / "first/90").mkdir(parents=True, exist_ok=True)
        (tmp_path / "first/90" / name).touch()
    labels = tmp_path / "labels/9000001/seg_sa.nii.gz"
    labels.parent.mkdir(parents=True)
    labels.touch()
    table = pd.DataFrame({"eid": names.keys(), "instance": 2, "ecg_path": names.values()})
    return table.assign(segmentation=["9000001", *[""] * 19])


def raw(folder, *ecg, segmentations=()):
    path = folder / "raw.txt"
    path.write_text("\n".join(["--ecg", *map(str, ecg), "--cmr", "--segmentations", *segmentations]) + "\n")
    return path


def test_files_are_found_where_they_lie_now(tmp_path, visits):
    first = located(visits, "ecg_path", raw(tmp_path, tmp_path / "first"))
    assert first == [str(tmp_path / "first/90" / name) for name in visits["ecg_path"]]
    shutil.move(tmp_path / "first/90", tmp_path / "second")
    assert located(visits, "ecg_path", raw(tmp_path, tmp_path / "first", tmp_path / "second")) == [
        str(tmp_path / "second" / name) for name in visits["ecg_path"]
    ]
    assert located(visits, "ecg_path", None) == visits["ecg_path"].tolist()


def test_a_segmentation_is_found_and_none_stays_none(tmp_path, visits):
    folders = raw(tmp_path, segmentations=[str(tmp_path / "labels")])
    assert located(visits, "segmentation", folders) == [str(tmp_path / "labels/9000001"), *[""] * 19]
    assert located(visits[1:], "segmentation", raw(tmp_path)) == [""] * 19


def test_one_file_that_has_gone_stays_with_its_subject_and_many_are_an_error(tmp_path, visits):
    (tmp_path / "first/90" / visits["ecg_path"][3]).unlink()
    assert located(visits, "ecg_path", raw(tmp_path, tmp_path / "first"))[3] == f"/nowhere/{visits['ecg_path'][3]}"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"raw\.ecg: 20 of 20 indexed subjects no longer have a file"):
        located(visits, "ecg_path", raw(tmp_path, tmp_path / "empty"))


def test_the_folders_are_those_of_the_run(tmp_path):
    path = raw(tmp_path, "/a disk/ecg", "list.txt")
    assert read_folders(path) == {"ecg": ["/a disk/ecg", "list.txt"], "cmr": [], "segmentations": []}


def test_files_that_go_while_they_are_read_stop_the_job(tmp_path, visits):
    paths = located(visits, "ecg_path", raw(tmp_path, tmp_path / "first"))
    check_still_there([*paths, "", "/nowhere/9000099_20205_2_0.xml"], "raw.ecg")
    for path in paths[:1]:
        (tmp_path / path).unlink()
    check_still_there(paths, "raw.ecg")  # one file is its subject's own matter
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(InputError, match=r"raw\.ecg: 20 of 20 files disappeared while they were read"):
        check_still_there(paths, "raw.ecg")

import h5py
import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import CROP, FIRST, visits, write_cmr
from paper_settings import changed

from cmr2ecg.cmr.boxes import read_boxes
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import crop_cmr


def write(path, text):
    path.write_text(text)
    return path


def test_boxes_of_several_files_in_any_order_of_columns(tmp_path):
    first = write(tmp_path / "a.csv", "eid,row0,column0,height,width\n9000001,10,20.5,78,78\n9000002,0,0,50,60\n")
    second = write(tmp_path / "b.csv", "reader,width,height,column0,row0,eid\nX,40,30,-2,1,9000002\n")
    assert read_boxes([first, second]) == {9_000_001: (10, 20.5, 78, 78), 9_000_002: (1, -2, 30, 40)}
    assert read_boxes([]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "eid,row0,column0,height\n9000001,1,2,3\n",
        "eid,row0,column0,height,width\n9000001,a,2,3,4\n",
        'eid,row0,column0,height,width,reader\n9000001,1,2,3,4,"X\n9000002,1,2,3,4,Y\n',
        "eid,row0,column0,height,width\n9000001,1,2,3,0\n",
        "eid,row0,column0,height,width\n9000001,1,2,,4\n",
        "eid,row0,column0,height,width\n9000001,1,inf,3,4\n",
        "eid,row0,column0,height,width\n,1,2,3,4\n",
        "",
        "\0\1\2",
        "eid,row0,column0,height,width\n9000001,1,2,3,4,5\n",
        "eid,row0,column0,height,width\n9000001,1_0,2,3,4\n",
        "eid,row0,row0,column0,height,width\n9000001,1,1,2,3,4\n",
        "eid,row0,column0,height,width\n1e300,1,2,3,4\n",
        "eid,row0,column0,height,width\n" + "9" * 20_000,
    ],
)
def test_what_is_no_box_is_named_without_the_subject(tmp_path, text):
    with pytest.raises(InputError, match=r"raw\.boxes") as caught:
        read_boxes([write(tmp_path / "a.csv", text)])
    assert "9000001" not in str(caught.value) and "\n" not in str(caught.value)


def test_the_line_and_the_separator_are_named(tmp_path):
    text = "eid,row0,column0,height,width\n9000001,1,2,3,4\n\n9000002,1,2,3,0\n"
    with pytest.raises(InputError, match=r"line 4 of .*a\.csv"):
        read_boxes([write(tmp_path / "a.csv", text)])
    with pytest.raises(InputError, match="by commas, not by ';'"):
        read_boxes([write(tmp_path / "a.csv", text.replace(",", ";"))])
    with pytest.raises(InputError, match=r"raw\.boxes.*a folder"):
        read_boxes([tmp_path])


def test_the_step_uses_each_subjects_box_and_counts_one_outside_the_frame(tmp_path):
    paths = [write_cmr(tmp_path, FIRST + number) for number in range(3)]
    table = visits(tmp_path / "visits.parquet", {"ecg_path": paths, "cmr_path": paths})
    rows = f"{FIRST + 1},10,12,70,80\n{FIRST + 2},900,12,70,80\n9000009,1,1,9,9\n"
    boxes = write(tmp_path / "boxes.csv", "eid,row0,column0,height,width\n" + rows)
    out = {"output": tmp_path / "0.h5", "qc": tmp_path / "0.csv"}
    argv = ["--settings", changed(CROP, channels=["ed", "mid", "es"]).model_dump_json(), "--boxes", str(boxes)]
    crop_cmr.main([*argv, "--visits", str(table), "--output", str(out["output"]), "--qc", str(out["qc"])])
    with h5py.File(out["output"]) as file:
        assert file["eid"][:].tolist() == [FIRST, FIRST + 1]
        assert file["box"][1].tolist() == [10, 12, 70, 80]
        assert file["cmr"].shape == (2, 3, 210, 210) and file["cmr"].dtype == np.float16
        assert file.attrs["channels"].tolist() == ["end-diastole", "mid-phase", "end-systole"]
        assert abs(file["frames"][0, 2] - 7) <= 1  # end-systole stands last
        assert file["slice"][:].tolist() == [4, 4]
    qc = pd.read_csv(out["qc"], keep_default_na=False)
    assert qc["box_by"].tolist() == ["motion", "hand", ""]
    assert qc["reason"].tolist() == ["", "", "box by hand outside the frame"]

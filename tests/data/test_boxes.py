import pytest

from cmr2ecg.command import InputError
from cmr2ecg.data.boxes import read_boxes


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
        "eid,row0,column0,height,width\n9000001,1,2,3,0\n",
        "eid,row0,column0,height,width\n9000001,1,2,,4\n",
        "eid,row0,column0,height,width\n9000001,1,inf,3,4\n",
        "eid,row0,column0,height,width\n,1,2,3,4\n",
        "",
        "\0\1\2",
    ],
)
def test_what_is_no_box_is_named_without_the_subject(tmp_path, text):
    with pytest.raises(InputError, match=r"raw\.boxes") as caught:
        read_boxes([write(tmp_path / "a.csv", text)])
    assert "9000001" not in str(caught.value) and "\n" not in str(caught.value)

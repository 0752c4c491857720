import pytest

from cmr2ecg.command import InputError
from cmr2ecg.ukb.withdrawn import read_withdrawn


def test_headers_blank_lines_quotes_and_several_files(tmp_path):
    contents = ["9000001\n9000002\n", "eid\r\n\r\n9000003,x\r\n", '\ufeff"9000004"\n', ""]
    files = [tmp_path / f"w{number}.csv" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content, encoding="utf-8")
    assert read_withdrawn(files) == {9000001, 9000002, 9000003, 9000004}
    assert read_withdrawn([]) == set()


def test_what_is_no_list_is_an_error(tmp_path):
    file = tmp_path / "w.csv"
    file.write_text("eid\nabc\n")
    with pytest.raises(InputError, match=r"raw\.withdrawn: line 2"):
        read_withdrawn([file])
    with pytest.raises(InputError, match=r"raw\.withdrawn: there is no file"):
        read_withdrawn([tmp_path / "absent.csv"])
    file.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"raw\.withdrawn: .* no text file"):
        read_withdrawn([file])

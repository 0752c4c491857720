"""Tables that cannot be read, or could be read wrongly, are refused in a line that quotes no cell."""

import gzip

import pytest
from cohort.raw_files import TABULAR
from tables.table_forms import VISITS, switched, table, write

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.tabular import read_tabular


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (["21002-2.0", "21002-3.0"], r"read_tabular\.fields\.weight: field 21002"),
        (["31-0.0"], r"read_tabular\.fields\.sex: field 31"),
        (["eid"], r"raw\.tabular: .*no column eid"),
    ],
)
def test_a_field_nobody_has_is_named(tmp_path, drop, message):
    path = write(tmp_path / "table.csv", table("ukbconv").drop(columns=drop))
    with pytest.raises(InputError, match=message):
        read_tabular([path], VISITS, TABULAR)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("50-2.0", "tall", "text instead of a number, in the column of height"),
        ("50-2.0", "inf", "an impossible value, in the column of height"),
        ("31-0.0", "2", "an impossible value, in the column of sex"),
        ("53-2.0", "May 2016", "instead of a date such as 2016-05-04"),
        ("eid", "nine", "the column eid holds"),
        ("eid", "9000001.5", "the column eid holds"),
        ("eid", "9000002", "1 rows repeat a subject"),
    ],
)
def test_a_cell_that_cannot_be_read_is_an_error_without_its_content(tmp_path, column, value, message):
    frame = table("ukbconv").astype(object)
    frame.loc[0, column] = value
    path = write(tmp_path / "table.csv", frame)
    with pytest.raises(InputError, match=rf"^raw\.tabular: .*{message}") as error:
        read_tabular([path], VISITS, TABULAR)
    assert "900000" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"eid,31-0.0\n9000001\n"),
        ("a.csv", bytes(range(256))),
        ("a.csv.gz", b"not gzip"),
        ("a.csv.gz", gzip.compress(b"eid,31-0.0\n" * 1000, mtime=0)[:-20]),
    ],
)
def test_what_is_no_table_is_an_error(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError):
        read_tabular([tmp_path / file], VISITS, TABULAR)


def test_a_row_of_the_wrong_length_is_an_error_that_quotes_nothing(tmp_path):
    path = write(tmp_path / "table.csv", table("ukbconv"))
    path.write_text(path.read_text() + "9000099,1,2\n")
    with pytest.raises(InputError, match=r"raw\.tabular: .*Expected \d+ columns, got 3") as error:
        read_tabular([path], VISITS, TABULAR)
    assert "9000099" not in str(error.value)


def test_nothing_to_read_is_an_error(tmp_path):
    path = write(tmp_path / "table.csv", table("ukbconv"))
    with pytest.raises(InputError, match=r"raw\.tabular is empty"):
        read_tabular([], VISITS, TABULAR)
    with pytest.raises(InputError, match=r"raw\.tabular: there is no file"):
        read_tabular([tmp_path / "absent.csv"], VISITS, TABULAR)
    with pytest.raises(InputError, match="use is false everywhere"):
        read_tabular([path], VISITS, switched(**dict.fromkeys(dict(TABULAR.diagnoses), False)))
    with pytest.raises(InputError, match=r"raw\.tabular: no table has a row"):
        read_tabular([path], VISITS.assign(eid=VISITS["eid"] + 500), TABULAR)


@pytest.mark.parametrize(
    ("field", "values", "name"),
    [(50, [1.65, 1.8, 1.75, 1.6], "height"), (21002, [70500, 8e4, 9e4, 6e4], "weight"), (24103, [0.55] * 4, "LVEF")],
)
def test_a_column_in_another_unit_stops(tmp_path, field, values, name):
    frame = table("ukbconv").assign(**{f"{field}-2.0": values, f"{field}-3.0": values})
    with pytest.raises(InputError, match=rf"^raw\.tabular: .*table\.csv: {name}: 4 of 4 values are outside .*unit"):
        read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR)


@pytest.mark.parametrize("row", [0, 2, -1])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_quote_that_is_not_closed_swallows_no_row_in_silence(tmp_path, row, delimiter):
    lines = table("ukbconv").assign(note="a").to_csv(index=False, sep=delimiter).splitlines()
    place = range(1, len(lines))[row]
    lines[place] = lines[place].removesuffix("a") + '"5 pipe'
    (tmp_path / "table.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="an unclosed quote"):
        read_tabular([tmp_path / "table.csv"], VISITS, TABULAR)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("50-3.0", "50-2.0", 1), "the columns 50-2.0 and 50-2.0, which are the same"),
        (lambda text: text.replace("50-3.0", "f.50.2.0", 1), "the columns 50-2.0 and f.50.2.0, which are the same"),
        (lambda text: text.replace("50-3.0", "p50_i2", 1), "the columns 50-2.0 and p50_i2, which are the same"),
        (lambda text: text.replace("50-3.0", "p31", 1), "the columns 31-0.0 and p31, which are the same"),
        (lambda text: text.replace("50-3.0", "f.eid", 1), "the columns eid and f.eid; keep one"),
        (lambda text: text.replace(",", ";"), "no column eid .*semicolons separate them"),
        (lambda text: text.replace(",", "|"), "no column eid .*vertical bars separate them"),
        (lambda text: text.replace("9000001,", "9.00E+06,"), "rounded numbers"),
        (lambda text: text.replace("9000001,", "9" * 300 + ","), "other than whole numbers"),
        (lambda text: text.encode("utf-16"), "not UTF-8"),
        (lambda text: text.encode("utf-16-le"), "not UTF-8"),
        (lambda text: text.replace("2016-05-04", '"2016-05-04', 1), "cannot be read as a table"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_table_that_may_be_read_wrongly_is_refused(tmp_path, change, message):
    content = change(table("ukbconv").to_csv(index=False))
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"^raw\.tabular: .*{message}") as error:
        read_tabular([path], VISITS, TABULAR)
    assert "\n" not in str(error.value) and "900000" not in str(error.value)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match=r"raw\.tabular: .* is a folder; name the files in it"):
        read_tabular([tmp_path], VISITS, TABULAR)

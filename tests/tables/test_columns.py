import pytest

from cmr2ecg.tables.columns import at_visit, columns_by_field, eid_columns, parse_column


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("31-0.0", (31, 0, 0)),
        ('"21003-2.0"', (21003, 2, 0)),
        ("f.41270.0.258", (41270, 0, 258)),
        ("X50.2.0", (50, 2, 0)),
        ("p31", (31, None, None)),
        ("p21003_i2", (21003, 2, None)),
        ("p40002_i0_a14", (40002, 0, 14)),
        ("p41280_a7", (41280, None, 7)),
        ("participant.p41270", (41270, None, None)),
        ("31", (31, None, None)),
    ],
)
def test_spellings(name, parts):
    column = parse_column(name)
    assert (column.field, column.instance, column.array) == parts
    assert column.name == name


@pytest.mark.parametrize("name", ["eid", "f.eid", "sex", "p31x", "31-0", "21003-2.0.1", ""])
def test_what_is_no_field(name):
    assert parse_column(name) is None


def test_columns_are_sorted_by_field_and_chosen_by_visit():
    header = ["eid", "41270-0.10", "41270-0.2", "21003-3.0", "21003-2.0", "p50_i2", "p31"]
    found = columns_by_field(header)
    assert list(found) == [41270, 21003, 50, 31]
    assert [column.name for column in found[41270]] == ["41270-0.2", "41270-0.10"]
    assert at_visit(found[21003], 2).name == "21003-2.0"
    assert at_visit(found[21003], 3).name == "21003-3.0"
    assert at_visit(found[21003], 0) is None
    assert at_visit(found[31], 2).name == "p31"
    both = columns_by_field(["p50", "p50_i2"])[50]
    assert at_visit(both, 2).name == "p50_i2" and at_visit(both, 3).name == "p50"


@pytest.mark.parametrize("name", ["eid", "f.eid", '"eid"', "participant.eid", "EID"])
def test_the_subject_column(name):
    assert eid_columns(["x", name]) == [name]
    assert eid_columns(["x"]) == []

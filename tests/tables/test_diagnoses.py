import numpy as np
import pyarrow as pa
import pytest

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.columns import columns_by_field
from cmr2ecg.tables.diagnoses import check_codes, disease_records, source_of

DISEASES = {"cad": ["I20", "I25"], "af": ["I48"], "dm": ["E10"]}


def records(table, codes, dates=None):
    """Return {(row, disease): [dates]} of a table given as lists."""
    piece = pa.table({name: pa.array(cells, pa.string()) for name, cells in table.items()})
    by_field = columns_by_field(table)
    source = source_of("x", by_field[codes], by_field.get(dates, []), dates)
    found: dict = {}
    table, strange, filled = disease_records(piece, source, DISEASES)
    check_codes(strange, filled, codes)
    for row, disease, date in table.itertuples(index=False):
        found.setdefault((row, disease), []).append(str(date)[:10])
    return found


def test_a_disease_is_any_code_with_one_of_its_prefixes():
    table = {"41270-0.0": ["I251", "J45", None, "I26", "E109|I20"], "41270-0.1": [None, "I480", None, "XI20", None]}
    assert records(table, 41270) == {
        (0, "cad"): ["NaT"],
        (1, "af"): ["NaT"],
        (4, "dm"): ["NaT"],
        (4, "cad"): ["NaT"],
    }


def test_wide_dates_belong_to_the_code_of_the_same_index():
    table = {
        "41270-0.0": ["I251", "J45"],
        "41270-0.1": ["I20", "I48"],
        "41280-0.1": ["2012-03-04", "2019-01-01"],
        "41280-0.0": ["2010-01-02", None],
    }
    assert records(table, 41270, 41280) == {(0, "cad"): ["2010-01-02", "2012-03-04"], (1, "af"): ["2019-01-01"]}


@pytest.mark.parametrize("cell", ['["J45","I48","I20"]', "['J45', 'I48', 'I20']", "J45|I48|I20", "J45 x|I48 y|I20 w"])
def test_wide_dates_belong_to_the_place_in_a_list(cell):
    table = {"p41270": [cell, None], "p41280_a0": ["2001-01-01", None], "p41280_a1": ["2002-02-02", None]}
    assert records(table, 41270, 41280) == {(0, "af"): ["2002-02-02"], (0, "cad"): ["NaT"]}


def test_all_causes_of_death_have_the_date_of_death_of_their_record():
    table = {
        "p40002_i0_a0": ["I251", None],
        "p40002_i0_a3": ["I48", None],
        "p40002_i1_a0": [None, "E10"],
        "p40000_i0": ["2020-05-06", "2020-01-01"],
        "p40000_i1": [None, "2020-01-09T00:00:00"],
    }
    assert records(table, 40002, 40000) == {
        (0, "cad"): ["2020-05-06"],
        (0, "af"): ["2020-05-06"],
        (1, "dm"): ["2020-01-09"],
    }


@pytest.mark.parametrize("date", ["04/03/2012", "2012", "2012-13-01", "yesterday", "2012-03-04x"])
def test_what_is_no_date_is_an_error_without_its_content(date):
    with pytest.raises(InputError, match="text instead of a date") as error:
        records({"41270-0.0": ["I251"], "41280-0.0": [date]}, 41270, 41280)
    assert date not in str(error.value)


def test_cells_without_codes_are_an_error_if_most_are_so_and_a_warning_if_few(caplog):
    with pytest.raises(InputError, match="field 41270: 2 of 3 cells"):
        records({"41270-0.0": ["Angina", "Asthma", "I251"]}, 41270)
    assert records({"41270-0.0": ["Angina", "J45", "I251"]}, 41270) == {(2, "cad"): ["NaT"]}
    assert "1 of 3 cells (33 %)" in caplog.text and "Angina" not in caplog.text


def test_nothing_recorded():
    assert records({"41270-0.0": [None, None]}, 41270) == {}
    assert records({"41270-0.0": np.empty(0, str).tolist()}, 41270) == {}

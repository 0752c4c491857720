"""Parquet tables: of any types, told by their content, damaged."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cohort.raw_files import TABULAR
from tables.table_forms import CODES, VISITS, check, table

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.tabular import read_tabular


@pytest.mark.parametrize("kind", ["numbers and text", "typed", "lists", "all text"])
def test_parquet_of_any_types(tmp_path, kind):
    frame = table("rap", "json")
    if kind == "typed":
        frame["p41270"] = frame["p41270"].astype("category")
        frame["p31"] = frame["p31"].astype("float32")
        frame["eid"] = frame["eid"].astype("float64")
        for column in [column for column in frame if column.startswith(("p53", "p41280"))]:
            frame[column] = pd.to_datetime(frame[column])
    if kind == "lists":
        frame["p41270"] = [codes or None for codes in CODES]
    if kind == "all text":
        frame = frame.astype(object).where(frame.notna(), "NA").astype(str)
    frame.to_parquet(tmp_path / "table.parquet")
    check(read_tabular([tmp_path / "table.parquet"], VISITS, TABULAR))


@pytest.mark.parametrize("name", ["TABLE.PARQUET", "table.pq", "table.csv"])
def test_parquet_is_told_by_its_content(tmp_path, name):
    table("rap", "json").to_parquet(tmp_path / name)
    check(read_tabular([tmp_path / name], VISITS, TABULAR))


def refused(path):
    """Return why a file is no table; nothing of its cells is quoted."""
    with pytest.raises(InputError, match=r"^raw\.tabular: .* cannot be read as a table") as error:
        read_tabular([path], VISITS, TABULAR)
    assert "\n" not in str(error.value) and "I251" not in str(error.value)
    return str(error.value).rpartition("(")[2]


def test_a_beginning_alone_is_no_table(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("text", [b'["I25\xff"]', b"2010-01-\xb02"])
def test_a_cell_that_is_not_utf_8_is_said(tmp_path, text):
    found = pa.Table.from_pandas(table("rap", "json"), preserve_index=False)
    place = found.schema.names.index("p41270" if b"I25" in text else "p41280_a0")
    raw = pa.array([text, *[None] * 3], pa.binary())
    cells = pa.StringArray.from_buffers(4, *raw.buffers()[1:], null_bitmap=raw.buffers()[0], null_count=3)
    pq.write_table(found.set_column(place, found.schema.names[place], cells), tmp_path / "t.parquet")
    assert refused(tmp_path / "t.parquet") == "not UTF-8)"


def test_damage_that_changes_a_value_is_noticed_where_the_pages_have_checksums(tmp_path):
    path = tmp_path / "t.parquet"
    table("rap", "json").to_parquet(path, compression=None, write_page_checksum=True)
    whole = path.read_bytes()
    for value in ([165.0, 180.0, 175.0], [71.0, 82.5], [150.5, 99.0]):
        place = whole.index(np.array(value).tobytes())
        for byte in range(place, place + 8 * len(value)):
            path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 1]) + whole[byte + 1 :])
            refused(path)

"""Every form in which UK Biobank's tables come gives the same covariates, labels, dates and phenotypes."""

import gzip

import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import TABULAR
from paper_settings import changed
from tables.table_forms import EIDS, LABELS, VISITS, check, switched, table, write

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.tabular import read_tabular


@pytest.mark.parametrize(
    ("form", "cells", "file", "options"),
    [
        ("ukbconv", None, "quoted.csv", {"quoting": 1}),
        ("ukbconv", None, "bare.csv", {}),
        ("ukbconv", None, "bare.txt", {"missing": "NA"}),
        ("ukbconv", None, "zipped.csv.gz", {"quoting": 1}),
        ("r", None, "ukb1.tab", {"missing": "NA"}),
        ("r", None, "ukb1.tab.gz", {"missing": "NA"}),
        ("mangled", None, "r.csv", {"missing": "NA"}),
        ("participant", "json", "extract.csv", {}),
        ("participant", "python", "extract.csv", {}),
        ("rap", "json", "exporter.tsv", {}),
        ("rap", "pipe", "exporter.csv", {}),
        ("rap", "pipe", "exporter.csv.gz", {}),
        ("rap", None, "wide.csv", {}),
    ],
)
def test_every_form_of_text_gives_the_same(tmp_path, form, cells, file, options):
    check(read_tabular([write(tmp_path / file, table(form, cells), **options)], VISITS, TABULAR))


@pytest.mark.parametrize("cells", ["decoded", "decoded list"])
def test_decoded_labels_are_understood(tmp_path, cells):
    frame = table("rap", cells, sex=("Female", "Male"))
    check(read_tabular([write(tmp_path / "labels.csv", frame)], VISITS, TABULAR))


def test_several_files_are_joined_on_eid_in_any_order_and_form(tmp_path):
    frame = table("rap", "json")
    diagnoses = [column for column in frame if column.startswith(("p41", "p400"))]
    covariates = write(tmp_path / "one.csv", frame.drop(columns=diagnoses).iloc[::-1])
    halves = [frame[["eid", *diagnoses]].iloc[:2], frame[["eid", *diagnoses]].iloc[2:]]
    files = [covariates, write(tmp_path / "a.tsv", halves[1])]
    halves[0].to_parquet(tmp_path / "b.parquet")
    check(read_tabular([*files, tmp_path / "b.parquet"], VISITS, TABULAR))
    check(read_tabular([tmp_path / "b.parquet", *files[::-1]], VISITS, TABULAR))


def test_line_ends_byte_order_mark_and_order_of_columns_do_not_matter(tmp_path):
    path = tmp_path / "table.csv"
    text = table("ukbconv").iloc[:, ::-1].to_csv(index=False, lineterminator="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    check(read_tabular([path], VISITS, TABULAR))


def test_only_indexed_subjects_are_read(tmp_path):
    """Others, withdrawn ones under negative ids among them, may hold anything."""
    frame = pd.concat([table("ukbconv"), table("ukbconv").assign(eid=[-5, -6, 9000077, 9000078])]).astype(object)
    frame.loc[frame["eid"] == 9000077, "50-2.0"] = "tall"
    frame.loc[frame["eid"] == 9000078, "41280-0.0"] = "never"
    check(read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR))


def test_a_subject_without_a_row_for_every_source_is_left_out(tmp_path):
    frame = table("ukbconv")
    death = [column for column in frame if column.startswith("4000")]
    files = [
        write(tmp_path / "a.csv", frame.drop(columns=death)),
        write(tmp_path / "b.csv", frame[["eid", *death]][:3]),
    ]
    result = read_tabular(files, VISITS, TABULAR)
    for part in (result.covariates, result.labels, result.dates, result.phenotypes):
        assert part["eid"].tolist() == EIDS[:3]


FIELDS = {"hospital": 41270, "hospital_main": 41202, "hospital_secondary": 41204}
FIELDS |= {"death_underlying": 40001, "death_contributory": 40002}


@pytest.mark.parametrize("source", FIELDS)
def test_each_source_counts_and_can_be_switched_off(tmp_path, source):
    """Subject three has a code in this source alone."""
    frame = table("ukbconv")
    column = next(column for column in frame if column.startswith(f"{FIELDS[source]}-"))
    frame[column] = frame[column].astype(object)
    frame.loc[2, column] = "I209"
    path = write(tmp_path / "table.csv", frame)
    assert read_tabular([path], VISITS, TABULAR).labels["cad"].tolist() == [1, 0, 1, 0]
    off = read_tabular([path], VISITS, switched(**{source: False})).labels
    assert off.loc[2, ["cad", "af", "dm"]].sum() == 0
    frame.drop(columns=[c for c in frame if c.startswith(f"{FIELDS[source]}-")]).to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"diagnoses\.{source}\.codes: field {FIELDS[source]}.*{source}\.use"):
        read_tabular([path], VISITS, TABULAR)
    assert read_tabular([path], VISITS, switched(**{source: False})).labels.equals(off)


def test_dates_can_be_done_without(tmp_path):
    frame = table("ukbconv")
    frame = frame.drop(columns=[c for c in frame if c.startswith(("53-", "41280-", "41262-", "40000-"))])
    path = write(tmp_path / "table.csv", frame)
    with pytest.raises(InputError, match=r"read_tabular\.visit_date: field 53 .*write null"):
        read_tabular([path], VISITS, TABULAR)
    with pytest.raises(InputError, match=r"read_tabular\.diagnoses\.hospital\.dates: field 41280 .*write null"):
        read_tabular([path], VISITS, changed(TABULAR, visit_date=None))
    undated = {name: {"dates": None} for name in dict(TABULAR.diagnoses)}
    result = read_tabular([path], VISITS, changed(TABULAR, visit_date=None, diagnoses=undated))
    assert result.labels[["cad", "af", "dm"]].to_numpy().tolist() == LABELS
    assert result.dates.drop(columns="eid").isna().all(axis=None)


def test_a_visit_without_a_covariate_is_said(tmp_path, caplog):
    frame = table("ukbconv").drop(columns="50-3.0")
    result = read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR)
    assert np.isnan(result.covariates["height"][1]) and result.covariates["height"][0] == 165
    assert "field 50 (height) is in no table for the visit of 1 subjects" in caplog.text


@pytest.mark.parametrize(
    ("covariate", "field", "values"),
    [
        ("age", 21003, ("-3", "999", "-1")),
        ("weight", 21002, ("0", "1e300", "9" * 300)),
        ("height", 50, ("1.7", "17000")),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_no_body_can_have_is_empty_counted_and_named(tmp_path, caplog, covariate, field, values):
    whole = [70, 60, 50, 80] if covariate != "height" else [170, 160, 150, 180]
    for value in values:
        caplog.clear()
        frame = table("ukbconv").assign(**{f"{field}-2.0": whole, f"{field}-3.0": whole}).astype(object)
        frame.loc[2, f"{field}-2.0"] = value
        found = read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR).covariates[covariate]
        np.testing.assert_array_equal(found, [*whole[:2], np.nan, whole[3]])
        assert f"{covariate}: 1 of 4 values are outside" in caplog.text


def test_a_phenotype_no_heart_can_have_is_empty(tmp_path, caplog):
    frame = table("ukbconv").assign(**{"24103-2.0": [55, 60, 65, 0], "24103-3.0": [55, 60, 65, 70]})
    frame.loc[0, "24100-2.0"] = -1
    found = read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR).phenotypes
    np.testing.assert_array_equal(found["LVEF"], [55, 60, 65, np.nan])
    assert np.isnan(found["LVEDV"][0]) and "LVEDV: 1 of 3 values are outside 1 to 1000" in caplog.text


@pytest.mark.parametrize("cell", ["['I251' 'E119']", "I251,E119", "I251 E119", "i25.1;E11.9", "I251\nE119"])
def test_all_codes_of_a_cell_count(tmp_path, cell):
    frame = table("rap", "json")
    frame.loc[3, "p41270"] = cell
    for path in (write(tmp_path / "table.csv", frame), tmp_path / "table.parquet"):
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        labels = read_tabular([path], VISITS, TABULAR).labels
        assert labels.loc[3, ["cad", "af", "dm"]].tolist() == [1, 0, 1]


def test_unknown_codes_are_counted_over_the_whole_file(tmp_path, caplog):
    frame = table("ukbconv").astype(object)
    frame.loc[0, "41270-0.0"] = "I25~1"
    labels = read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR).labels
    assert labels["cad"].tolist() == [0, 0, 0, 0] and "field 41270: 1 of 6 cells (17 %) hold text" in caplog.text


def test_blanks_are_an_empty_cell(tmp_path):
    frame = table("ukbconv").astype(object).where(table("ukbconv").notna(), "  ")
    frame.loc[[1, 2], "eid"] = [" 9000002 ", "9.000003e6"]
    check(read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR))


def test_line_breaks_in_quoted_cells_of_a_table_of_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("cmr2ecg.tables.wide_table.BLOCK_BYTES", 4096)
    notes = [f"{n}\n" * 150 for n in range(200)]
    others = pd.DataFrame({"eid": range(9001000, 9001200), "note": notes})
    frame = pd.concat([others[:150], table("ukbconv").assign(note="a\n\nb,"), others[150:]])
    check(read_tabular([write(tmp_path / "table.csv", frame)], VISITS, TABULAR))


@pytest.mark.parametrize("name", ["TABLE.CSV.GZ", "table.csv"])
def test_gzip_is_told_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(table("ukbconv").to_csv(index=False).encode()))
    check(read_tabular([tmp_path / name], VISITS, TABULAR))

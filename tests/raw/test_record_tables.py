"""Tables of records and labels that are not UK Biobank's: read as they stand, or refused with the line."""

import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import TABULAR

from cmr2ecg.raw.bulk import ECG_FIELD, list_bulk
from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.named_columns import read_named

FIELDS, DISEASES = ["sex", "age"], ["cad", "af"]


def table(tmp_path, text: str) -> str:
    path = tmp_path / "records.csv"
    path.write_text(text)
    return str(path)


def test_records_are_found_beside_the_table(tmp_path):
    named = table(tmp_path, "af,path,eid,instance\n1,a/HR1,9000007,\n0,/data/b.hea,9000008,1\n0,c.xml,9000008,0\n")
    assert list_bulk([named], ECG_FIELD) == {
        (9000007, 0): f"{tmp_path}/a/HR1.hea",
        (9000008, 0): f"{tmp_path}/c.xml",
        (9000008, 1): "/data/b.hea",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eid,file\n1,a\n", "has no column path"),
        ("", "has no column eid"),
        ("eid,path\n9000001,a\nx,b\n", "line 3: no eid of seven"),
        ("eid,path\n20,a\n", "line 2: no eid of seven digits"),
        ("eid,path\n9000001,\n", "line 2: no eid of seven digits or more, or no path"),
        ("eid,path\n9000001,a\n9000001,b\n", "line 3: a second record of a subject"),
        ("eid,path,instance\n9000001,a,-1\n", "line 2"),
        ("eid,path\n9000001\n", "line 2"),
        ("eid,path,eid\n9000001,a,9000002\n", "2 columns eid; keep one"),
        ("eid;path\n9000001;a\n", "no column eid.*by commas, not by ';'"),
        ('eid,path,site\n9000001,a,"x\n9000002,b,y\n', "cannot be read as a csv"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        list_bulk([table(tmp_path, text)], ECG_FIELD)


def test_labels_by_name(tmp_path, caplog):
    file = table(tmp_path, "eid,cad,sex,age\n3,1,Male,50\n1,0,0,60\n2,,1,70\n9,1,1,80\n")
    found = read_named([file], np.array([1, 2, 3, 4]), FIELDS, DISEASES, dict(TABULAR.ranges))
    assert found.labels.to_dict("list") == {"eid": [1, 3], "cad": [0, 1], "af": [0, 0]}
    assert found.covariates["sex"].tolist() == [0, 1] and found.covariates["age"].tolist() == [60, 50]
    assert found.phenotypes.shape == (2, 62) and found.phenotypes.drop(columns="eid").isna().all(axis=None)
    assert found.dates["visit_date"].isna().all() and pd.api.types.is_datetime64_any_dtype(found.dates["af_date"])
    assert "no column af; 0 for everyone" in caplog.text


def test_a_second_record_of_a_subject_does_not_hide_its_labels(tmp_path):
    file = table(tmp_path, "eid,cad\n1,1\n1,1\n2,0\n")
    assert read_named([file], np.array([1, 2]), FIELDS, DISEASES, dict(TABULAR.ranges)).labels["cad"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eid,cad\n1,2\n", "a label other than 0 and 1"),
        ("eid,cad\n1,yes\n", "text instead of a number"),
        ("eid,cad\n1,0\n1,1\n", "1 subjects have contradicting labels"),
        ("id,cad\n1,0\n", "no column eid"),
        ("eid,age\n1,50\n", "no table has a column named cad, af"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_named([table(tmp_path, text)], np.array([1]), FIELDS, DISEASES, dict(TABULAR.ranges))

"""Tables of records and labels that are not UK Biobank's: read as they stand, or refused with the line."""

import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import TABULAR
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.raw.bulk import ECG_FIELD, list_bulk, list_files
from cmr2ecg.raw.ids import number_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.named_columns import read_named

FIELDS, DISEASES = ["sex", "age"], ["cad", "af"]


def visits(*ids: str, instance: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"eid": [*map(number_of, ids)], "instance": instance})


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


def test_ids_are_any_text_and_a_person_may_have_several(tmp_path):
    named = table(tmp_path, "eid,path,subject,split\n20,a,p1,train\nHR 7,b,p1,train\n9000001,c,9000002,test\n")
    found = list_files([named], ECG_FIELD)
    assert found[9000001, 0] == (f"{tmp_path}/c.hea", "", 9000002, "test")
    a, b = (found[number_of(name), 0] for name in ("20", "HR 7"))
    assert a.subject == b.subject == number_of("p1") and len(found) == 3


@given(st.text(min_size=1).filter(str.strip))
def test_the_number_of_an_id_is_whole_in_a_float_and_its_own_number(text):
    number = number_of(text)
    assert 1_000_000 <= number < 2**53 and int(float(number)) == number == number_of(str(number))
    assert number_of(f" {text}\t") == number


def test_every_ending_of_an_ecg_file_is_left_as_it_is(tmp_path):
    names = ["a.xml", "b.dcm", "c.SCP", "d.edf", "e.bdf", "f.hea", "g.1"]
    text = "eid,path\n" + "".join(f"{9000001 + index},{name}\n" for index, name in enumerate(names))
    found = list_bulk([table(tmp_path, text)], ECG_FIELD)
    assert [path.rsplit("/")[-1] for path in found.values()] == [*names[:-1], "g.1.hea"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eid,file\n1,a\n", "has no column path"),
        ("", "has no column eid"),
        ("eid,path\n9000001,a\n,b\n", "line 3: no eid or no path"),
        ("eid,path\n9000001,\n", "line 2: no eid or no path"),
        ("eid,path,subject\n1,a,\n", "line 2: no subject"),
        ("eid,path,split\n1,a,holdout\n", "line 2: split is none of train, val, test"),
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
    file = table(tmp_path, "eid,cad,sex,age\nc,1,Male,50\na,0,F,60\nb,,M,70\ni,1,M,80\nd,0,f,300\n")
    found = read_named([file], visits("a", "b", "c", "d"), FIELDS, DISEASES, dict(TABULAR.ranges))
    assert found.labels.set_index("eid")["cad"].to_dict() == {number_of(name): name == "c" for name in "acd"}
    assert "af" not in found.labels
    covariates = found.covariates.set_index("eid").loc[[*map(number_of, "acd")]]
    assert covariates["sex"].tolist() == [0, 1, 0] and covariates["age"].tolist()[:2] == [60, 50]
    assert np.isnan(covariates["age"].iloc[2])  # 300 is no age
    assert found.phenotypes.shape == (3, 62) and found.phenotypes.drop(columns="eid").isna().all(axis=None)
    assert found.dates["visit_date"].isna().all() and pd.api.types.is_datetime64_any_dtype(found.dates["cad_date"])
    assert "no column af; left out" in caplog.text


def test_a_second_record_of_a_subject_does_not_hide_its_labels(tmp_path):
    file = table(tmp_path, "eid,cad\n9000001,1\n9000001,1\n9000002,0\n")
    found = read_named([file], visits("9000001", "9000002"), FIELDS, DISEASES, dict(TABULAR.ranges))
    assert found.labels["cad"].tolist() == [1, 0]


def test_labels_are_those_of_the_record_that_is_used(tmp_path):
    file = table(tmp_path, "eid,instance,cad\n9000001,0,1\n9000001,1,0\n9000002,0,\n9000002,1,1\n")
    found = read_named([file], visits("9000001", "9000002", instance=1), FIELDS, DISEASES, dict(TABULAR.ranges))
    assert found.labels["cad"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eid,cad\n1,2\n", "a label other than 0 and 1"),
        ("eid,cad\n1,yes\n", "text instead of a number"),
        ("eid,cad,sex\n1,1,0\n", "something other than Female and Male"),
        ("eid,cad\n1,0\n1,1\n", "1 subjects have contradicting labels"),
        ("id,cad\n1,0\n", "no column eid"),
        ("eid,age\n1,50\n", "no table has a column named cad, af"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_named([table(tmp_path, text)], visits("1"), FIELDS, DISEASES, dict(TABULAR.ranges))

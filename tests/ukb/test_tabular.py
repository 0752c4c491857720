import gzip
import json

import numpy as np
import pandas as pd
import pytest
from data.raw_files import TABULAR

from cmr2ecg.command import InputError
from cmr2ecg.ukb.tabular import read_tabular

EIDS = [9000001, 9000002, 9000003, 9000004]
CODES = [["I251", "J45"], ["I489"], [], ["E119", "I48"]]
LABELS = [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]]
COVARIATES = {
    31: [0, 1, 1, 0],
    21003: [60, 71, np.nan, 55],
    21002: [70.5, 80, 90, 61],
    50: [165, 180, 175, np.nan],
}


def table(form: str) -> pd.DataFrame:
    """The same four subjects in one of UK Biobank's forms."""
    names = {
        "ukbconv": "{f}-{i}.{a}".format,
        "r": "f.{f}.{i}.{a}".format,
        "rap": "p{f}_i{i}".format,
        "participant": "participant.p{f}_i{i}".format,
    }[form]
    eid = {"ukbconv": "eid", "r": "f.eid", "rap": "eid", "participant": "participant.eid"}[form]
    frame = {eid: EIDS}
    rap = form in ("rap", "participant")
    for field, values in COVARIATES.items():
        name = names(f=field, i=0 if field == 31 else 2, a=0)
        frame[name.removesuffix("_i0") if field == 31 else name] = values
        if field == 21003:
            frame[names(f=field, i=0, a=0)] = [1, 2, 3, 4]
    prefix = "participant." if form == "participant" else ""
    if rap:
        frame[f"{prefix}p41270"] = [json.dumps(codes) if form == "rap" else "|".join(codes) for codes in CODES]
        frame[f"{prefix}p40001_i0"] = frame[f"{prefix}p40002_i0_a1"] = None
    else:
        for array in range(2):
            column = [codes[array] if array < len(codes) else None for codes in CODES]
            frame[names(f=41270, i=0, a=array)] = column
        frame[names(f=40001, i=0, a=0)] = frame[names(f=40002, i=0, a=3)] = None
    frame[names(f=24100, i=2, a=0)] = [150.5, None, None, 120]
    frame[names(f=22420, i=2, a=0)] = [1, 2, 3, 4]
    return pd.DataFrame(frame)


def check(result):
    assert result.covariates["eid"].tolist() == EIDS == result.labels["eid"].tolist()
    assert list(result.covariates) == ["eid", "sex", "age", "weight", "height"]
    for name, field in TABULAR["fields"].items():
        np.testing.assert_array_equal(result.covariates[name], COVARIATES[field])
    assert result.labels[["cad", "af", "dm"]].to_numpy().tolist() == LABELS
    assert set(result.labels.dtypes.astype(str)) == {"int64", "int8"}
    assert result.phenotypes.shape == (4, 62)
    np.testing.assert_array_equal(result.phenotypes["LVEDV"], [150.5, np.nan, np.nan, 120])
    assert result.phenotypes["Err_Global"].isna().all()


@pytest.mark.parametrize("form", ["ukbconv", "r", "rap", "participant"])
@pytest.mark.parametrize("ending", ["csv", "quoted.csv", "tsv", "csv.gz", "parquet"])
def test_every_form_gives_the_same_tables(tmp_path, form, ending):
    path, frame = tmp_path / f"table.{ending}", table(form)
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        quoting = 1 if "quoted" in ending else 0
        text = frame.to_csv(index=False, sep="\t" if ending == "tsv" else ",", quoting=quoting)
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    check(read_tabular([path], **TABULAR))


def test_several_files_are_joined_and_decoded_labels_understood(tmp_path):
    frame = table("rap")
    frame["p31"] = ["Female", "Male", "Male", "Female"]
    frame["p41270"] = ["I25.1 Atherosclerotic heart disease|J45 Asthma", "I48.9 x", None, "E11.9 y|I48 z"]
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    diagnoses = [name for name in frame if name.startswith(("p41270", "p4000"))]
    frame.drop(columns=diagnoses).iloc[::-1].to_csv(one, index=False)
    frame[["eid", *diagnoses]].to_csv(two, index=False)
    check(read_tabular([one, two], **TABULAR))


def test_withdrawn_subjects_are_in_no_table(tmp_path):
    path = tmp_path / "table.csv"
    table("ukbconv").to_csv(path, index=False)
    result = read_tabular([path], **TABULAR, withdrawn={9000002, 9999999})
    for frame in (result.covariates, result.labels, result.phenotypes):
        assert frame["eid"].tolist() == [9000001, 9000003, 9000004]


def test_errors_name_the_setting_and_the_field(tmp_path):
    path, frame = tmp_path / "table.csv", table("ukbconv")
    for drop, message in [
        ("21002-2.0", r"read_tabular\.fields\.weight: field 21002"),
        ("40001-0.0", r"read_tabular\.icd10_fields: field 40001"),
        ("eid", r"raw\.tabular: .*no column eid"),
    ]:
        frame.drop(columns=drop).to_csv(path, index=False)
        with pytest.raises(InputError, match=message):
            read_tabular([path], **TABULAR)
    frame.assign(**{"50-2.0": "tall"}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"raw\.tabular: .*text where a number belongs"):
        read_tabular([path], **TABULAR)
    with pytest.raises(InputError, match=r"raw\.tabular is empty"):
        read_tabular([], **TABULAR)
    with pytest.raises(InputError, match=r"raw\.tabular: there is no file"):
        read_tabular([tmp_path / "absent.csv"], **TABULAR)
    path.write_text("eid,31-0.0\n9000001\n")
    with pytest.raises(InputError):
        read_tabular([path], **TABULAR)

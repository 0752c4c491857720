"""The same four subjects in every form in which UK Biobank's tables come, and what must be read of them."""

import gzip
import json

import numpy as np
import pandas as pd
from cohort.raw_files import TABULAR
from paper_settings import changed

EIDS = [9000001, 9000002, 9000003, 9000004]
VISITS = pd.DataFrame({"eid": EIDS, "instance": [2, 3, 2, 2]})
CODES = [["I251", "J45"], ["I489"], [], ["E119", "I48", "I48"]]
CODE_DATES = [["2010-01-02", "2001-01-01"], ["2018-03-04"], [], ["2012-01-01", "2019-09-09", "2017-07-07"]]
LABELS = [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]]
# field -> values at visit 2 and at visit 3; those of subject two must come from visit 3
NUMBERS = {
    31: ([0, 1, 1, 0], None),
    21003: ([60, 71, np.nan, 55], [62, 74, 70, 57]),
    21002: ([70.5, 80, 90, 61], [71, 82.5, np.nan, 60]),
    50: ([165, 180, 175, np.nan], [165, 181, 175, 160]),
    24100: ([150.5, 99, np.nan, 120], [151, 98, 77, 121]),
    22420: ([1, 2, 3, 4], [1, 2, 3, 4]),  # the same title as 24103, another field
}
CHOSEN = {
    "sex": [0, 1, 1, 0],
    "age": [60, 74, np.nan, 55],
    "weight": [70.5, 82.5, 90, 61],
    "height": [165, 181, 175, np.nan],
}
VISIT_DATES = {2: ["2016-05-04"] * 4, 3: ["2019-06-05"] * 4}
FORMS = {
    "ukbconv": "{f}-{i}.{a}",
    "r": "f.{f}.{i}.{a}",
    "mangled": "X{f}.{i}.{a}",
    "rap": "p{f}",
    "participant": "participant.p{f}",
}
EID = {"ukbconv": "eid", "r": "f.eid", "mangled": "eid", "rap": "eid", "participant": "participant.eid"}
CELLS = {
    "json": json.dumps,
    "python": repr,
    "pipe": "|".join,
    "decoded": lambda codes: "|".join(f"{code[:3]}.{code[3:]} Some disease, not specified" for code in codes),
    "decoded list": lambda codes: repr([f"{code[:3]}.{code[3:]} Some disease, it's so" for code in codes]),
}


def name(form: str, field: int, instance: int | None = None, array: int | None = None) -> str:
    """The name of a column; on the Research Analysis Platform without the parts that are None."""
    if form not in ("rap", "participant"):
        return FORMS[form].format(f=field, i=instance or 0, a=array or 0)
    parts = "" if instance is None else f"_i{instance}"
    return FORMS[form].format(f=field) + parts + ("" if array is None else f"_a{array}")


def table(form: str, cells: str | None = None, sex=(0, 1)) -> pd.DataFrame:
    """The same four subjects in one of UK Biobank's forms; codes in lists of the form `cells`, or wide."""
    frame = {EID[form]: EIDS}
    for field, (two, three) in NUMBERS.items():
        frame[name(form, field, None if three is None else 2)] = two
        if three is not None:
            frame[name(form, field, 3)] = three
    frame[name(form, 31)] = [sex[value] for value in NUMBERS[31][0]]
    frame[name(form, 21003, 0)] = [1, 2, 3, 4]
    for instance, days in VISIT_DATES.items():
        frame[name(form, 53, instance)] = days
    if cells:
        frame[name(form, 41270)] = [CELLS[cells](codes) if codes else None for codes in CODES]
    for array in range(3):
        for field, values in ((41270, CODES), (41280, CODE_DATES)):
            if field == 41280 or not cells:
                frame[name(form, field, None, array)] = [row[array] if array < len(row) else None for row in values]
    for field in (41202, 41262, 41204):
        frame[name(form, field, None, 0)] = None
    frame[name(form, 40000, 0)] = frame[name(form, 40001, 0)] = frame[name(form, 40002, 0, 3)] = None
    return pd.DataFrame(frame)


def check(result):
    for part in (result.covariates, result.labels, result.dates, result.phenotypes):
        assert part["eid"].tolist() == EIDS and part["eid"].dtype == np.int64
    assert list(result.covariates) == ["eid", *sorted(CHOSEN)]
    for covariate, values in CHOSEN.items():
        np.testing.assert_array_equal(result.covariates[covariate], values)
    assert result.labels[["cad", "af", "dm"]].to_numpy().tolist() == LABELS
    assert set(result.labels.dtypes.astype(str)) == {"int64", "int8"}
    dates = result.dates.drop(columns="eid").astype(str).fillna("NaT")
    assert dates["visit_date"].tolist() == ["2016-05-04", "2019-06-05", "2016-05-04", "2016-05-04"]
    assert dates["cad_date"].tolist() == ["2010-01-02", "NaT", "NaT", "NaT"]
    assert dates["af_date"].tolist() == ["NaT", "2018-03-04", "NaT", "2017-07-07"]
    assert dates["dm_date"].tolist() == ["NaT", "NaT", "NaT", "2012-01-01"]
    assert result.phenotypes.shape == (4, 62)
    np.testing.assert_array_equal(result.phenotypes["LVEDV"], [150.5, 98, np.nan, 120])
    assert result.phenotypes["LVEF"].isna().all()


def write(path, frame, quoting=0, missing=""):
    separator = "\t" if path.name.split(".")[1] in ("tsv", "tab", "txt") else ","
    text = frame.to_csv(index=False, sep=separator, quoting=quoting, na_rep=missing)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def switched(**use):
    return changed(TABULAR, diagnoses={name: {"use": used} for name, used in use.items()})

"""A declaration that contradicts itself or other settings is answered by one line before anything is read."""

from copy import deepcopy

import pytest
from paper_settings import paper

from cmr2ecg.study.config_agreement import disagreements
from cmr2ecg.study.data_sets import complaints, with_classes

GOOD = {
    "raw": {"ecg": ["set"]},
    "index_cohort": {"modalities": ["ecg"]},
    "split_subjects": {"method": "given"},
    "recordings": {
        "table": "t.csv",
        "file": "{name}.hea",
        "sex": {"column": "sex", "female": [1], "male": [0]},
        "split": {"column": "fold", "train": [1, 2], "val": [3], "test": [4]},
        "labels": {"form": "codes", "columns": ["Dx"], "classes": {"af": [164889003], "sr": ["SR", "LAO/LAE"]}},
    },
}


def told(**changes) -> list[str]:
    """Return the complaints about GOOD with dotted settings changed."""
    config = deepcopy(GOOD)
    for dotted, value in changes.items():
        *parents, key = dotted.split("__")
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = value
    return list(complaints(paper(**config)))


def test_a_good_one_is_accepted_and_its_classes_are_the_diseases():
    assert told() == []
    settings = with_classes(paper(**GOOD))
    assert settings.read_tabular.layout == "named"
    assert dict(settings.read_tabular.diseases) == {"af": ("164889003",), "sr": ("SR", "LAO/LAE")}
    assert with_classes(paper()).read_tabular == paper().read_tabular


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recordings__table": ""}, "recordings.table is empty, yet recordings says more"),
        ({"recordings__file": ""}, "recordings.file is empty"),
        ({"simulate_cohort__enabled": True}, "simulate_cohort.enabled is true"),
        ({"raw__tabular": ["x.csv"]}, "raw.tabular names tables"),
        ({"index_cohort__modalities": ["ecg", "cmr"]}, "lists ECGs only"),
        ({"recordings__labels__classes": {}}, "classes is empty"),
        ({"recordings__labels__columns": []}, "columns is empty; name the columns with the codes"),
        ({"recordings__labels__complete": ["dm"]}, "complete names dm"),
        ({"recordings__labels__classes": {"age": ["A"]}}, "classes names age, as a column"),
        ({"recordings__labels__classes": {"af": ["A, B"]}}, "classes.af has 'A, B', which no cell can match"),
        ({"recordings__labels": {"form": "phrases", "columns": ["r"], "classes": {"af": [" "]}}}, "no cell can match"),
        ({"recordings__split__val": []}, "give each of train, val and test its folds"),
        ({"recordings__split__val": [2]}, "has a fold in two splits"),
        ({"recordings__split__pretrain": [5]}, "split.pretrain has folds, yet index_cohort.unpaired_ecgs is false"),
        ({"index_cohort__unpaired_ecgs": True, "recordings__split__pretrain": [2]}, "has a fold in two splits"),
        ({"split_subjects__method": "stratified"}, "split.column is given, yet split_subjects.method is stratified"),
        ({"recordings__split": {}}, "split.column is empty, yet split_subjects.method is given"),
        ({"recordings__join__table": "u.csv"}, "recordings.join needs both"),
        ({"recordings__join__column": "id"}, "recordings.join needs both"),
        ({"recordings__table": "headers", "recordings__join": {"table": "u.csv", "column": "id"}}, "are not joined"),
        ({"recordings__sex__male": [0, 1]}, "a cell that means female and male"),
    ],
)
def test_what_cannot_be_is_refused(changes, expected):
    found = told(**changes)
    assert len(found) == 1 and expected in found[0], found


def test_headers_need_no_file_and_phrases_may_have_blanks():
    assert told(recordings__table="headers", recordings__file="") == []
    assert told(recordings__labels={"form": "phrases", "columns": ["r"], "classes": {"af": ["atrial flutter"]}}) == []


@pytest.mark.parametrize(
    ("modalities", "unpaired", "raw", "simulated", "expected"),
    [
        (["ecg", "cmr"], True, {}, True, ""),
        (["ecg"], True, {}, True, "index_cohort.unpaired_ecgs is true, yet index_cohort.modalities names no cmr"),
        (["ecg"], True, {"ecg": ["list.csv"]}, False, ""),  # which may say who is for pre-trainings alone
        (["ecg"], True, {"ecg": ["x"], "unlabelled": ["y"]}, False, ""),
        (["ecg", "cmr"], True, {"unlabelled": ["y"]}, True, "raw.unlabelled names folders, yet simulate_cohort.enab"),
        (["ecg"], False, {"unlabelled": ["y"]}, False, "raw.unlabelled names folders, yet index_cohort.unpaired_ecgs"),
    ],
)
def test_further_ecgs_need_a_setting_that_takes_them(modalities, unpaired, raw, simulated, expected):
    index = {"modalities": modalities, "unpaired_ecgs": unpaired}
    settings = paper(index_cohort=index, raw=raw, simulate_cohort={"enabled": simulated})
    found = [line for line in disagreements(settings) if "unpaired" in line or "unlabelled" in line]
    assert len(found) == bool(expected) and all(line.startswith(expected) for line in found)

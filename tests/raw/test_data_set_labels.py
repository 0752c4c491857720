"""Labels of a recording, from flags, lists of codes or text, and none where the cells say nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmr2ecg.raw.data_set_labels import labels_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.data_set import Labels


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(("1", "0"), "1"), (("True", ""), "1"), (("0", "0.0"), "0"), (("false", "No"), "0"), (("0", ""), ""),
     (("", ""), "")],
)  # fmt: skip
def test_flags(cells, expected):
    labels = Labels(form="flags", classes={"bad": ("A", "B")})
    assert labels_of(dict(zip("AB", cells, strict=True)), labels) == {"bad": expected}


@pytest.mark.parametrize("text", ["2", "-1", "maybe", "0.5"])
def test_a_flag_that_is_neither_is_refused_by_its_column(text):
    with pytest.raises(InputError, match="the column AF holds something other than 0 and 1") as caught:
        labels_of({"AF": text}, Labels(form="flags", classes={"af": ("AF",)}))
    assert text not in str(caught.value).replace("0 and 1", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'NORM': 100.0, 'SR': 0.0}", "10"),
        ("[164889003;ISC_]", "01"),
        ("426783006,164889003", "01"),
        ("NORM_ XNORM 1648890031", "00"),
        ("ISC_|LAO/LAE", "01"),
        ("{}", ""),
        ("[]", ""),
        ("Unknown", ""),
        (" ", ""),
    ],
)
def test_codes_are_whole_words_in_any_list(text, expected):
    labels = Labels(form="codes", columns=("Dx",), classes={"norm": ("NORM",), "af": (164889003, "ISC_")})
    assert "".join(labels_of({"Dx": text}, labels).values()) == expected


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        (("Atrial  Fibrillation with rapid response", ""), "1"),
        (("ATRIAL FIBRILLATION", "Sinus"), "1"),
        (("Atrial", "fibrillation"), "0"),  # a phrase is within one cell
        (("Atrial fibrillations", ""), "0"),
        (("No atrial fibrillation", ""), "1"),  # nothing is understood
        (("Sinus rhythm", ""), "0"),
        (("", ""), ""),
        (("nan", "NA"), ""),
    ],
)
def test_phrases_are_whole_words_in_small_letters(reports, expected):
    labels = Labels(form="phrases", columns=("a", "b"), classes={"af": ("Atrial fibrillation",)})
    assert labels_of(dict(zip("ab", reports, strict=True)), labels) == {"af": expected}


@given(st.lists(st.sampled_from(["A", "B", "C", "X"]), max_size=4))
def test_a_complete_declaration_leaves_out_who_has_none_of_its_classes(codes):
    classes = {"a": ("A",), "b": ("B",), "c": ("C",)}
    labels = Labels(form="codes", columns=("Dx",), classes=classes, complete=("a", "b"))
    found = labels_of({"Dx": ",".join(codes)}, labels)
    if {"A", "B"} & set(codes):
        assert found == {name: str(int(name.upper() in codes)) for name in classes}
    else:
        assert set(found.values()) == {""}

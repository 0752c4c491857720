import numpy as np
import pytest

from cmr2ecg.ukb.icd10 import codes_in, disease_flags


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("I251", ["I251"]),
        ("I25.1 Atherosclerotic heart disease", ["I251"]),
        ("I251|I48", ["I251", "I48"]),
        ("I25.1 Atherosclerotic heart disease|E11.9 Without complications", ["I251", "E119"]),
        ('["I251","I48"]', ["I251", "I48"]),
        ("['E119', 'M179']", ["E119", "M179"]),
        ("[]", []),
        ("", []),
    ],
)
def test_forms_of_a_cell(cell, codes):
    assert codes_in(cell) == codes


def test_a_disease_is_any_code_with_one_of_its_prefixes():
    cells = np.array([["I251", None], ["J45", "I480"], [None, None], ["I26", "XI20"], ["E109|I20", None]], dtype=object)
    flags = disease_flags(cells, {"cad": ["I20", "I25"], "af": ["I48"], "dm": ["E10"]})
    assert flags.to_numpy().tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, False],
        [False, False, False],
        [True, False, True],
    ]
    assert not disease_flags(np.empty((2, 0), object), {"cad": ["I20"]}).to_numpy().any()

import pytest

from cmr2ecg.ukb.icd10 import codes_in


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("I251", ["I251"]),
        (" i25.1 ", ["I251"]),
        ("I25.1 Atherosclerotic heart disease", ["I251"]),
        ("I251|I48", ["I251", "I48"]),
        ("I251||I48", ["I251", "", "I48"]),
        ("I25.1 Atherosclerotic heart disease|E11.9 Without complications", ["I251", "E119"]),
        ('["I251","I48"]', ["I251", "I48"]),
        ('["I251", null, "I48"]', ["I251", "", "I48"]),
        ("['E119', 'M179']", ["E119", "M179"]),
        ("['E119', None]", ["E119", ""]),
        ('["I48.9 Atrial fibrillation, unspecified", "J45 Asthma"]', ["I489", "J45"]),
        ("['I48.9 It\\'s, unspecified', 'J45 x']", ["I489", "J45"]),
        ("[I251, I48]", ["I251", "I48"]),
        ("[]", []),
        ("", []),
        ("['I251'", ["['I251'"]),
        ("[" * 5000 + "]", None),
    ],
)
def test_forms_of_a_cell(cell, codes):
    found = codes_in(cell)
    assert found == codes if codes is not None else isinstance(found, list)

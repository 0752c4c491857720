import pytest

from cmr2ecg.tables.diagnoses import codes_in


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
        ('["I251","E1', ['["I251","E1']),
        ("['I251' 'E119']", ["I251", "E119"]),
        ("['I251' 'E119'\n 'J45']", ["I251", "E119", "J45"]),
        ("['I251' None 'E119']", ["I251", "", "E119"]),
        ("['I25.1 Angina, so' \"E11.9 It's so\"]", ["I251", "E119"]),
        ("[I251 E119]", ["I251", "E119"]),
        ("I251,E119", ["I251", "E119"]),
        ("I251, E119,", ["I251", "E119", ""]),
        ("I251,,E119", ["I251", "", "E119"]),
        ("I251;E119", ["I251", "E119"]),
        ("I251 E119", ["I251", "E119"]),
        ("I251/E119 & J45", ["I251", "E119", "J45"]),
        ("I25.1\nE11.9", ["I251", "E119"]),
        ("i25.1,e11.9", ["I251", "E119"]),
        ("('I251', 'E119')", ["I251", "E119"]),
        ("{I251,E119}", ["I251", "E119"]),
        ('c("I251", "E119")', ["I251", "E119"]),
        ("array(['I251', 'E119'], dtype=object)", ["I251", "E119"]),
        ("I25.1: Angina", ["I251"]),
        ("I25.- Angina", ["I25"]),
        ("I25.1 Angina, unspecified, E11.9 Diabetes; so", ["I251", "E119"]),
        ("D51.0 Vitamin B12 deficiency, not E", ["D510"]),
        ("N08.3 Disorders in diabetes mellitus (E10-E14, E12)", ["N083"]),
        ("I251 and E119", ["I251", "AND E119"]),
        ("I251~foo", ["I251~FOO"]),
        ("I251,foo", ["I251,FOO"]),
        ("4140", ["4140"]),
        ("['I251' ... 'E119']", ["['I251' ... 'E119']"]),
        ("[" * 5000 + "]", None),
    ],
)
def test_forms_of_a_cell(cell, codes):
    found = codes_in(cell)
    assert found == codes if codes is not None else isinstance(found, list)

"""Withdrawal lists: each form that spreadsheets, R, pandas and mails give is read, and all else is refused."""

import codecs

import pytest

from cmr2ecg.raw.withdrawn import SubjectList, list_notes, read_list, read_withdrawn
from cmr2ecg.runtime.command import InputError

EIDS = {9000001, 9000002, 9003385}
ROWS = ["9000001", "9000002", "9003385"]


def listed(tmp_path, content):
    file = tmp_path / "w1_20260101.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def lines(*rows, end="\n"):
    return end.join(rows) + end


MAIL = lines(
    "Dear Researcher,",
    "",
    "As of 25/02/2026 10:15 these 3 participants of UK Biobank application 12345 have withdrawn:",
    "",
    *ROWS,
    "",
    "Kind regards,",
    "UK Biobank's Access Team",
)
FORMS = {
    "plain": lines(*ROWS),
    "no last line end": "\n".join(ROWS),
    "windows": lines(*ROWS, end="\r\n"),
    "old mac": lines(*ROWS, end="\r"),
    "blank lines": lines("", ROWS[0], " ", ROWS[1], ",,", ROWS[2]),
    "header": lines("eid", *ROWS),
    "quotes": lines('"eid"', *(f'"{eid}"' for eid in ROWS)),
    "single quotes": lines(*(f"'{eid}'" for eid in ROWS)),
    "a number kept as text": lines(*(f"'{eid}" for eid in ROWS)),
    "a formula": lines(*(f'="{eid}"' for eid in ROWS)),
    "trailing commas": lines(*(f"{eid},," for eid in ROWS)),
    "floats": lines("eid", *(f"{eid}.0" for eid in ROWS)),
    "decimal commas": lines("eid", *(f"{eid},0" for eid in ROWS)),
    "scientific": lines("9.000001e6", "9.000002E+06", "9.003385e+006"),
    "thousands": lines('"9,000,001"', '"9,000,002"', '"9,003,385"'),
    "thousands without quotes": lines("9,000,001", "9,000,002", "9,003,385"),
    "thousands of elsewhere": lines("9.000.001", "9\u00a0000\u00a0002", "9’003’385"),
    "byte order mark": b"\xef\xbb\xbf" + lines(*ROWS).encode(),
    "utf-16": lines("eid", *ROWS).encode("utf-16"),
    "utf-16 of another machine": codecs.BOM_UTF16_BE + lines("eid", *ROWS).encode("utf-16-be"),
    "latin-1": lines("Teilnehmer für Löschung", *ROWS).encode("latin-1"),
    "R, write.csv": lines('"","V1"', *(f'"{n}",{eid}' for n, eid in enumerate(ROWS, 1))),
    "R, chosen rows": lines('"","V1"', '"17",9000001', '"204",9000002', '"410001",9003385'),
    "R, write.table": lines('"x"', *(f'"{n}" {eid}' for n, eid in enumerate(ROWS, 1))),
    "R, write.csv2": lines('"";"eid"', *(f'"{n}";{eid},0' for n, eid in enumerate(ROWS, 1))),
    "pandas, a series": lines(",0", *(f"{n},{eid}" for n, eid in enumerate(ROWS))),
    "pandas, no index": lines("0", *ROWS),
    "pandas, chosen rows": lines(",eid", "17,9000001.0", "3,9000002.0", "8000004,9003385.0"),
    "pandas, without header": lines(*(f"{n},{eid}" for n, eid in enumerate(ROWS))),
    "a column beside": lines("eid,date,reason", *(f"{eid},20260105,moved; no 12345678" for eid in ROWS)),
    "a column before": lines("Date\tParticipant ID", *(f"2026-01-05\t{eid}" for eid in ROWS)),
    "a name with an application": lines("x;n_eid_14631_0_0", *(f"a;{eid}" for eid in ROWS)),
    "dates without header": lines(*(f"{eid},2026-01-05" for eid in ROWS)),
    "PLINK": lines(*(f"{eid} {eid}" for eid in ROWS)),
    "a spreadsheet's hint": lines("sep=;", "eid;reason", *(f"{eid};" for eid in ROWS)),
    "a mail": MAIL,
    "a quoted mail": lines(*(f"> {line}" for line in MAIL.splitlines())),
    "marks from a web page": lines(*(f"\u200b{eid}\ufeff" for eid in ROWS)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_subjects(tmp_path, form):
    assert read_withdrawn([listed(tmp_path, FORMS[form])]) == EIDS


def test_several_lists_add_up_and_a_list_may_be_empty(tmp_path):
    empty, header, one, two = (tmp_path / name for name in "abcd")
    for file, text in ((empty, ""), (header, "eid\n\n"), (one, "9000001\n"), (two, "9000002\n9000001\n")):
        file.write_text(text)
    assert read_withdrawn([empty, header, one, two]) == {9000001, 9000002}
    assert read_withdrawn([]) == set()


NO_CERTAIN_EID = {
    "a digit too few": (lines("9000001", "900002", "9003385"), "line 2: no certain eid"),
    "a digit too few, first": (lines("900000", "9003385"), "line 1: no certain eid"),
    "a digit too few, last": (lines("9003385", "900000"), "line 2: no certain eid"),
    "cut, first": (lines("9", "9003385"), "line 1: no certain eid"),
    "nothing else": (lines("900000"), "holds no eid .* in 1 lines"),
    "words alone": (lines("eid", "abc"), "holds no eid .* in 2 lines"),
    "a letter": (lines("eid", "9000001", "90O0002"), "line 3"),
    "a letter behind": (lines("9000001x", "9000002"), "line 1"),
    "a mark of missing": (lines("eid", "9000001", "NA", "9000002"), "line 3"),
    "half": (lines("9000001", "9000002.5", "9003385"), "line 2"),
    "rounded": (lines("eid", "9.00E+06", "9003385"), r"line 2: a number that was rounded"),
    "rounded, R": (lines('"","V1"', '"1",9e+06', '"2",9003385'), "rounded"),
    "negative": (lines("9000001", "-9000002", "9003385"), "line 2: a negative number"),
    "negative serials": (lines("9000001", "-1"), "line 2: a negative number"),
    "two a line": (lines("9000001,9000002", "9003385,9000003"), "columns 1 and 2 may be the eids"),
    "two in one line": (lines("9000001", "9003385", "9000002 9000003"), "line 3"),
    "two identities": (lines("eid_12345,eid_67890", "9000001,9000002"), "columns 1 and 2 may be the eids"),
    "a bare date": (lines("9000001,20260105"), "columns 1 and 2 may be the eids"),
    "an eid cut, beside a date": (lines("900000,20260105"), "column 1 holds numbers that are not eids"),
    "the named column is blank": (lines("eid,other", "9000001,1", ",9000002"), "line 3"),
    "the named column is cut": (lines("eid,date", "900000,20260105"), "line 2"),
    "an eid in a sentence": (lines("9000001", "Please take out 9000002 too"), "line 2"),
    "an eid in a sentence above": (lines("Also 9000002:", "9000001"), "line 1"),
    "a spaced eid in a sentence above": (lines("Also 900 0002", "9000001"), "line 1"),
    "text within": (lines("9000001", "and", "9000002"), "line 2"),
    "a program's list": (lines("[9000001, 9000002]"), ""),
    "another script": (lines("9000001", "\u0669\u0660\u0660\u0660\u0660\u0660\u0662"), "line 2"),
    "leading zeros": (lines("9000001", "0009000002"), "line 2"),
    "300 digits": (lines("9000001", "9" * 300), "line 2"),
    "a long line": (lines("9000001", "9" * 200_000), "line 2"),
    "bytes": (bytes(range(256)), "not a text file"),
    "utf-16 without mark": (lines(*ROWS).encode("utf-16-le"), "not a text file"),
    "xlsx": (b"PK\x03\x04 9000001\n", "not a text file with one eid per line; save it as csv"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "not a text file"),
    "pdf": (b"%PDF-1.7\n9000001\n", "not a text file"),
    "a web page": (lines("<html>", "9000001"), "not a text file"),
}


@pytest.mark.parametrize("kind", NO_CERTAIN_EID)
def test_what_is_not_certain_is_refused_without_its_content(tmp_path, kind):
    content, message = NO_CERTAIN_EID[kind]
    with pytest.raises(InputError, match=rf"^raw\.withdrawn: .*{message}") as error:
        read_withdrawn([listed(tmp_path, content)])
    assert "900" not in str(error.value).replace(str(tmp_path), "") and "\n" not in str(error.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"raw\.withdrawn: there is no file"):
        read_withdrawn([tmp_path / "absent.csv"])
    with pytest.raises(InputError, match=r"raw\.excluded: there is no file"):
        read_withdrawn([tmp_path], "raw.excluded")


def test_a_list_of_nobody_and_text_passed_over_are_reported(tmp_path):
    mail = read_list(listed(tmp_path, MAIL))
    assert mail == SubjectList(frozenset(EIDS), 3)
    strangers = SubjectList(frozenset({9999998, 9999999}), 0)
    found = list_notes([mail, strangers, SubjectList(frozenset(), 0)], [9000001, 9000007])
    assert found == [
        "raw.withdrawn: list 1 (3 subjects): 3 lines of text around the eids were skipped",
        "raw.withdrawn: list 2 (2 subjects) has none of the 2 subjects with raw files; is it this application's?",
        "raw.withdrawn: list 3 (0 subjects) has none of the 2 subjects with raw files; is it this application's?",
    ]

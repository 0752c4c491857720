import pytest

from cmr2ecg.cmr.series import parse_manifest

BODY = "a.dcm,ANON 7,1.2,1.3,CINE_segmented_SAX_b1,CMR^Heart,{date},AET,HOST\n"


@pytest.mark.parametrize("series", ["series discription", "Series Description"])
@pytest.mark.parametrize("date", ["02-Jan-2016 15:04:05", "Aug 30, 2015 11:20:05", '"Aug 30, 2015 11:20:05"'])
def test_spellings_and_commas_in_dates(series, date):
    header = f"filename,patientid,studyid,seriesid,{series},study discription,date,aet,host\r\n"
    assert parse_manifest((header + BODY.format(date=date)).encode()) == {"a.dcm": "CINE_segmented_SAX_b1"}


def test_the_date_may_stand_in_front():
    content = b"date,filename,series description\nAug 30, 2015,a.dcm,CINE_segmented_SAX_b2\nshort\n"
    assert parse_manifest(content) == {"a.dcm": "CINE_segmented_SAX_b2"}


@pytest.mark.parametrize("content", [b"", b"filename\na.dcm\n", b"\xff\xfe\x00", b"a,b\n1,2,3\n"])
def test_what_is_no_manifest_is_empty(content):
    assert parse_manifest(content) == {}

import os
import re

import numpy as np
import pytest
from cohort.raw_files import CLEAN, counts
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.ecg.cardiosoft import _samples, _tolerant, parse_cardiosoft, read_cardiosoft
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.steps.clean_ecg import clean_file

COUNTS = counts(1)
XML = cardiosoft_xml(COUNTS)


def edited(*changes: tuple[bytes, bytes]) -> bytes:
    """Apply changes to StripData and what follows, which leaves the decoys in front alone."""
    head, tail = XML.split(b"<StripData>")
    tail = b"<StripData>" + tail
    for old, new in changes:
        assert old in tail
        tail = tail.replace(old, new)
    return head + tail


def reason_of(content: bytes) -> str:
    with pytest.raises(Rejection) as caught:
        parse_cardiosoft(content)
    return caught.value.reason


def test_counts_come_back_in_mv_and_the_median_beat_is_left_alone(tmp_path):
    path = tmp_path / "x.xml"
    path.write_bytes(XML)
    ecg = read_cardiosoft(path)
    np.testing.assert_allclose(ecg.signal, COUNTS * 0.005)
    assert (ecg.sampling_rate_hz, ecg.resolution_uv) == (500, 5)


def test_leads_are_found_by_name_in_any_order_and_case():
    order = np.random.default_rng(0).permutation(12)
    names = [LEADS[i].upper() if i % 2 else LEADS[i].lower() for i in order]
    shuffled = cardiosoft_xml(COUNTS[order], leads=names)
    np.testing.assert_allclose(parse_cardiosoft(shuffled).signal, COUNTS * 0.005)


def test_rate_and_resolution_are_read():
    ecg = parse_cardiosoft(cardiosoft_xml(COUNTS, sampling_rate_hz=1000, resolution_uv=2.5))
    assert (ecg.sampling_rate_hz, ecg.resolution_uv) == (1000, 2.5)
    np.testing.assert_allclose(ecg.signal, COUNTS * 0.0025)


def test_blank_cells_become_nan_and_a_comma_at_the_end_is_no_cell():
    first = COUNTS[0].astype(str).tolist()
    text = ",".join(first[:300]).encode()
    ecg = parse_cardiosoft(edited((text, ",".join([first[0], " ", *first[2:300]]).encode())))
    assert np.isnan(ecg.signal[0, 1]) and np.isfinite(ecg.signal).sum() == 60_000 - 1
    np.testing.assert_allclose(ecg.signal[0, 2:], COUNTS[0, 2:] * 0.005)
    assert parse_cardiosoft(edited((b"\r\n\t\t</WaveformData>", b",\r\n</WaveformData>"))).signal.shape == (
        12,
        5000,
    )


@pytest.mark.parametrize(
    "cells",
    [
        *("1,2", "-3", "0", "007,-0", "1,\r\n\t\t2,\n3", "1 , 2", "+5,6", "1,,2", ",1", " ,1", "1, ,2", "12.0,3"),
        *("nan,1", str(2**53 + 1), "9" * 25 + ",1", "-" + "9" * 25),
    ],
)
def test_samples_are_what_float_makes_of_each_cell(cells):
    wanted = [float(cell) if cell.strip() else np.nan for cell in cells.split(",")]
    np.testing.assert_array_equal(_samples(cells), wanted)


def test_of_two_commas_at_the_end_the_first_ends_a_blank_sample():
    np.testing.assert_array_equal(_samples("1,2,"), [1, 2])
    np.testing.assert_array_equal(_samples("1,2,,"), [1, 2, np.nan])


@pytest.mark.parametrize("cells", ["1-2", "--5", "-", "1,-", "-,1", "1 2", "1,2 3", "0x1", "1_0", "5-,1", "\x001"])
def test_samples_that_are_no_numbers_are_refused(cells):
    with pytest.raises(Rejection, match="samples are not numbers"):
        _samples(cells)


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789,,,-- \n.+e", max_size=30))
def test_samples_of_any_text_are_those_of_the_slow_way(text):
    def tried(work, given):
        try:
            return work(given)
        except Rejection as error:
            return error.reason

    np.testing.assert_array_equal(tried(_samples, text), tried(_tolerant, text.strip().removesuffix(",").split(",")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"not xml at all", "not XML"),
        (XML[: len(XML) // 2], "not XML"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "not XML"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "XML with a DTD or entities"),
        (b"<!DOCTYPE CardiologyXML><CardiologyXML/>", "XML with a DTD or entities"),
        (XML.replace(b"StripData", b"StripDatum"), "no StripData"),
        (edited((b'lead="V3"', b'lead="V9"')), "missing lead"),
        (edited((b'lead="V3"', b'lead="V2"')), "duplicate lead"),
        (edited((b'<SampleRate units="Hz">', b"<SampleRate>")), "unknown sampling rate"),
        (edited((b'<SampleRate units="Hz">500', b'<SampleRate units="Hz">5e9')), "unknown sampling rate"),
        (edited((b'"uVperLsb">5', b'"mVperLsb">5')), "unknown amplitude unit"),
        (edited((b'"uVperLsb">5', b'"uVperLsb">1e300')), "unknown amplitude unit"),
        (edited((b"<SampleRate", b'<SampleRate units="Hz">250</SampleRate><SampleRate')), "unknown sampling rate"),
        (edited((b'"uVperLsb">5', b'"uVperLsb">nan')), "unknown amplitude unit"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\t1,')), "leads of unequal length"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\tx')), "samples are not numbers"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\t1e999,')), "samples are not numbers"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\t0.5,')), "samples are not numbers"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\t1_0,')), "samples are not numbers"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">\r\n\t\t' + b"9" * 4000 + b",")), "samples are not numbers"),
        (edited((b"Total>5000", b"Total>4999")), "sample count differs from the header"),
        (edited((b"<StripData>", b"<StripData></StripData><StripData>")), "more than one StripData"),
        (edited((b"<StripData>", b"<Strip><StripData>"), (b"</StripData>", b"</StripData></Strip>")), "no StripData"),
        (b"<a>" * 1000 + b"</a>" * 1000, "XML too large"),
        (b"<a>" + b"<b/>" * 100_000 + b"</a>", "XML too large"),
        (b"<a>" * 3_000_000, "XML too large"),
        (edited((b'lead="I">\r\n\t\t', b'lead="I">' + b"1," * 1_000_000)), "file too large"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "XML with a DTD or entities"),
        (b"<a>&lol;</a>", "not XML"),
    ],
)
def test_bad_files_are_rejected_with_a_reason(content, reason):
    assert reason_of(content) == reason


def test_an_entity_bomb_is_refused_before_it_grows():
    lines = [b'<!ENTITY a0 "aaaaaaaaaa">'] + [
        b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12)
    ]
    assert reason_of(b"<!DOCTYPE x [" + b"".join(lines) + b"]><x>&a11;</x>") == "XML with a DTD or entities"


def test_a_missing_and_a_huge_file_are_rejected(tmp_path):
    with pytest.raises(Rejection, match="cannot be opened"):
        read_cardiosoft(tmp_path / "absent.xml")
    huge = tmp_path / "huge.xml"
    with open(huge, "wb") as handle:
        handle.truncate(3_000_000_000)
    with pytest.raises(Rejection, match="too large"):
        read_cardiosoft(huge)


def test_full_disclosure_is_left_alone():
    disclosure = "\r\n".join(",".join(map(str, row[:500])) + "," for row in COUNTS[::-1]).encode()
    filled = edited((b"<FullDisclosureData>", b"<FullDisclosureData>" + disclosure))
    np.testing.assert_allclose(parse_cardiosoft(filled).signal, COUNTS * 0.005)
    without = XML[: XML.index(b"<FullDisclosure>")] + b"</CardiologyXML>"
    np.testing.assert_allclose(parse_cardiosoft(without).signal, COUNTS * 0.005)


def test_absent_limb_leads_are_blank_and_named():
    ecg = parse_cardiosoft(edited((b'lead="aVF"', b'lead="Z"'), (b'lead="III"', b'lead="Y"')))
    assert ecg.missing == ("III", "aVF") and np.isnan(ecg.signal[[2, 5]]).all()
    assert np.isfinite(np.delete(ecg.signal, [2, 5], axis=0)).all()


@pytest.mark.parametrize("prefix", ["", "cs"])
def test_a_namespace_changes_nothing(prefix):
    name = f"xmlns:{prefix}" if prefix else "xmlns"
    content = XML.replace(b"<CardiologyXML", b'<CardiologyXML %s="http://x.org/cardiology"' % name.encode())
    if prefix:
        content = re.sub(rb"<(/?)(?=[A-Z])", rb"<\1cs:", content)
    np.testing.assert_array_equal(parse_cardiosoft(content).signal, parse_cardiosoft(XML).signal)


def emptied(*leads: str) -> bytes:
    names = "|".join(leads).encode()
    head, tail = XML.split(b"<StripData>")
    return head + b"<StripData>" + re.sub(rb'(lead="(?:%s)">)[^<]*' % names, rb"\1\r\n", tail)


def test_an_empty_lead_counts_as_absent():
    ecg = parse_cardiosoft(emptied("III", "aVF"))
    assert ecg.missing == ("III", "aVF")
    np.testing.assert_array_equal(ecg.signal[:2], parse_cardiosoft(XML).signal[:2])
    assert reason_of(emptied("V3")) == reason_of(emptied(*LEADS)) == "missing lead"


def test_an_inverted_lead_is_none_of_the_twelve():
    assert parse_cardiosoft(edited((b'lead="aVR"', b'lead="-aVR"'))).missing == ("aVR",)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("digits", ["9" * 300, "-" + "9" * 300, "1e300", "-1e308"])
def test_samples_of_300_digits_are_an_implausible_amplitude(tmp_path, digits):
    path = tmp_path / "x.xml"
    path.write_bytes(re.sub(rb'(lead="V3">\s*)-?\d+', rb"\g<1>" + digits.encode(), edited()))
    with pytest.raises(Rejection, match="implausible amplitude"):
        clean_file(path, CLEAN)


def test_the_device_s_verdict_is_read():
    assert not parse_cardiosoft(XML).poor_quality
    assert parse_cardiosoft(cardiosoft_xml(COUNTS, diagnosis=["---", "*** Poor data quality, ***"])).poor_quality


def test_links_and_pipes_are_refused(tmp_path):
    (tmp_path / "x.xml").write_bytes(XML)
    (tmp_path / "link.xml").symlink_to("x.xml")
    os.mkfifo(tmp_path / "pipe.xml")
    for name in ("link.xml", "pipe.xml", "."):
        with pytest.raises(Rejection, match="cannot be opened"):
            read_cardiosoft(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(XML) - 1), st.integers(0, 255)), min_size=1, max_size=20),
    st.booleans(),
)
def test_damaged_bytes_are_rejected_or_give_twelve_leads(changes, cut):
    content = bytearray(XML)
    for place, value in changes:
        content[place] = value
    try:
        ecg = parse_cardiosoft(bytes(content[: changes[0][0]] if cut else content))
    except Rejection as error:
        assert error.reason
    else:
        assert ecg.signal.shape[0] == 12 and not np.isinf(ecg.signal).any()

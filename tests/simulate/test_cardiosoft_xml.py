import time
from datetime import UTC, datetime

import numpy as np
import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.simulate.cardiosoft_xml import LEADS, cardiosoft_xml


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(1).integers(-600, 600, (12, 5000))


@pytest.fixture(scope="module")
def document(counts):
    return cardiosoft_xml(counts, sex=1, age=57, when=datetime(2016, 7, 4, 9, 5, 3, tzinfo=UTC))


def decode(document, path="./StripData/WaveformData"):
    found = ElementTree.fromstring(document).findall(path)
    return {element.get("lead"): [int(cell) for cell in element.text.split(",")] for element in found}


def test_strip_holds_the_counts_in_lead_order(document, counts):
    leads = decode(document)
    assert tuple(leads) == LEADS
    np.testing.assert_array_equal(list(leads.values()), counts)


def test_median_beat_is_a_decoy_of_600_samples_outside_the_strip(document, counts):
    median = decode(document, "./RestingECGMeasurements/MedianSamples/WaveformData")
    assert tuple(median) == LEADS
    assert {len(values) for values in median.values()} == {600}
    assert len(ElementTree.fromstring(document).findall(".//WaveformData")) == 24


def test_bytes_are_those_of_the_device(document):
    assert document.startswith(b'<?xml version="1.0" encoding="ISO-8859-1" ?>\r\n<CardiologyXML>\r\n\t<')
    assert b"\n" not in document.replace(b"\r\n", b"")
    wave = document.split(b'<WaveformData lead="V6">')[-1].split(b"</WaveformData>")[0]
    lines = wave.strip().split(b"\r\n")
    assert len(lines) == 17  # 5000 values, 300 a line
    assert all(line.count(b",") == 300 for line in lines[:-1])
    assert not wave.strip().endswith(b",")


def test_headers(document):
    root = ElementTree.fromstring(document)
    text = {path: root.findtext(path) for path in ("ObservationDateTime/Month", "PatientInfo/Gender")}
    assert text == {"ObservationDateTime/Month": "7", "PatientInfo/Gender": "MALE"}
    assert root.findtext("PatientInfo/Age") == "57"
    assert root.findtext("PatientInfo/PID") == str(int(datetime(2016, 7, 4, 9, 4, 43, tzinfo=UTC).timestamp()))
    resolution = root.find("StripData/Resolution")
    assert (resolution.text, resolution.get("units")) == ("5", "uVperLsb")
    assert root.findtext("StripData/SampleRate") == "500"
    assert root.findtext("FullDisclosure/FullDisclosureData") in (None, "")


def test_text_outside_latin_1_and_markup_survive(counts):
    document = cardiosoft_xml(counts, diagnosis=["ST < 1 mm & T \u2265 2", "Häufige VES"])
    found = ElementTree.fromstring(document).findall("Interpretation/Diagnosis/DiagnosisText")
    assert [element.text for element in found] == ["ST < 1 mm & T \u2265 2", "Häufige VES"]
    assert "Häufige".encode("latin-1") in document


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1300), st.integers(1, 12))
def test_any_length_and_any_leads_read_back(samples, leads):
    counts = np.random.default_rng(samples).integers(-32768, 32767, (leads, samples))
    read = decode(cardiosoft_xml(counts, leads=LEADS[:leads]))
    np.testing.assert_array_equal(list(read.values()), counts)


def test_wrong_number_of_leads_is_refused(counts):
    with pytest.raises(ValueError, match="expected \\(12, samples\\)"):
        cardiosoft_xml(counts[:11])


def test_a_file_takes_little_time(counts):
    start = time.process_time()
    for _ in range(5):
        cardiosoft_xml(counts)
    assert (time.process_time() - start) / 5 < 0.06

"""One ECG through the formats of hospitals is one signal; what is unclear in a file is refused."""

import os
import re
import struct
import time
import warnings
from pathlib import Path

import ecgdatakit
import numpy as np
import pytest
from cohort.raw_files import CLEAN, SHARED, counts
from ecg.formats_written import (
    EIGHT,
    RATE,
    SECRET,
    WRITERS,
    aecg,
    assemble,
    dicom,
    edf,
    muse,
    scp,
    scp_block,
    sierra,
    xli,
)
from fuzz.mutate import BINARY, TEXT

from cmr2ecg.ecg.read import parse_ecg, read_ecg
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.ecg.scp import _sections
from cmr2ecg.ecg.xli import decode_xli
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.steps.clean_ecg import clean_file

COUNTS = counts(1)
MV = COUNTS * 0.005
DERIVED = ("III", "aVR", "aVL", "aVF")
REAL = Path(os.environ.get("CMR2ECG_ECG_FILES", SHARED / "data" / "ecg_formats"))
MUTATIONS = 54
SLOWEST_S = 3.0


def reason_of(content, is_xml=False):
    with pytest.raises(Rejection) as caught:
        parse_ecg(content, is_xml)
    return caught.value.reason


def replaced(content, old, new, encoding="latin-1"):
    text = content.decode(encoding)
    assert re.search(old, text)
    return re.sub(old, new, text).encode(encoding)


@pytest.mark.parametrize("name", WRITERS)
def test_the_signal_is_the_same_in_every_format(tmp_path, name):
    ending, write = WRITERS[name]
    path = tmp_path / f"ecg{ending}"
    path.write_bytes(write(COUNTS))
    ecg = read_ecg(path)
    assert (ecg.sampling_rate_hz, ecg.poor_quality) == (RATE, False)
    assert ecg.resolution_uv == pytest.approx(5, rel=1e-5)
    assert ecg.missing in ((), DERIVED)
    present = [row for row, lead in enumerate(LEADS) if lead not in ecg.missing]
    np.testing.assert_allclose(ecg.signal[present], MV[present], atol=1e-9 if "bdf" not in name else 1e-4)
    assert np.isnan(ecg.signal).any(axis=1).sum() == len(ecg.missing)


@pytest.mark.parametrize("name", WRITERS)
def test_what_the_networks_get_is_the_same_as_of_cardiosoft(tmp_path, name):
    ending, write = WRITERS[name]
    path, plain = tmp_path / f"ecg{ending}", tmp_path / "plain.xml"
    path.write_bytes(write(COUNTS))
    plain.write_bytes(cardiosoft_xml(COUNTS))
    fields, measures = clean_file(path, CLEAN)
    expected, _ = clean_file(plain, CLEAN)
    eight = "aVR" in measures["repairs"]
    np.testing.assert_allclose(fields["ecg"], expected["ecg"], atol=0.05 if eight else 1e-4)  # half a count, derived


def test_the_ending_does_not_count_but_for_wfdb(tmp_path):
    for name, (_, write) in WRITERS.items():
        path = tmp_path / f"{name}.something"
        path.write_bytes(write(COUNTS))
        np.testing.assert_allclose(read_ecg(path).signal[0], MV[0], atol=1e-4)


@pytest.mark.parametrize("content", [b"%PDF-1.7 ...", b"\x89PNG", b"a b\n1 2\n", b"<svg></svg>", bytes(5000)])
def test_an_unknown_file_is_refused_with_what_is_known(content):
    with pytest.raises(Rejection) as caught:
        parse_ecg(content)
    assert caught.value.reason == "unknown file format"
    assert "MUSE" in caught.value.detail and "DICOM" in caught.value.detail


def test_an_empty_file_is_told_apart():
    assert reason_of(b" \n") == "empty file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (replaced(muse(COUNTS), "MICROVOLTS", "COUNTS"), "unknown amplitude unit"),
        (replaced(muse(COUNTS), "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>", ""), "unknown amplitude unit"),
        (replaced(muse(COUNTS), "UnitsPerBit>5<", "UnitsPerBit>-5<"), "unknown amplitude unit"),
        (replaced(muse(COUNTS), "UnitsPerBit>5<", "UnitsPerBit>nan<"), "unknown amplitude unit"),
        (replaced(muse(COUNTS), "UnitsPerBit>5<", "UnitsPerBit>1e300<"), "unknown amplitude unit"),
        (replaced(muse(COUNTS), "SampleBase>500", "SampleBase>"), "unknown sampling rate"),
        (replaced(muse(COUNTS), "SampleExponent>0", "SampleExponent>300"), "unknown sampling rate"),
        (replaced(muse(COUNTS), "SampleExponent>0", "SampleExponent>2"), "unknown sampling rate"),
        (replaced(muse(COUNTS), "<WaveformType>Rhythm", "<WaveformType>Other"), "no rhythm"),
        (replaced(muse(COUNTS), "<WaveformType>Median", "<WaveformType>Rhythm"), "more than one rhythm"),
        (replaced(muse(COUNTS), "LeadSampleSize>2", "LeadSampleSize>4"), "unknown sample format"),
        (replaced(muse(COUNTS), "<LeadDataCRC32>.", "<LeadDataCRC32>"), "checksum is wrong"),
        (
            replaced(muse(COUNTS), "SampleCountTotal>5000", "SampleCountTotal>4999"),
            "sample count differs from the header",
        ),
        (replaced(muse(COUNTS), "<WaveFormData>", "<WaveFormData>*"), "samples are not numbers"),
        (replaced(muse(COUNTS), ">V2<", ">V1<"), "duplicate lead"),
        (replaced(muse(COUNTS), ">V2<", ">V9<"), "missing lead"),
        (
            muse(COUNTS).decode("latin-1").replace("LeadTimeOffset>0", "LeadTimeOffset>9", 9).encode(),
            "leads are not simultaneous",
        ),
        (muse(COUNTS, doctype='<!DOCTYPE RestingECG [<!ENTITY a "b">]>'), "XML with a DTD or entities"),
        (muse(COUNTS, doctype='<!DOCTYPE other SYSTEM "restecg.dtd">'), "XML with a DTD or entities"),
        (replaced(muse(COUNTS), "<WaveFormData>", "<WaveFormData>&file;"), "XML with a DTD or entities"),
        (muse(COUNTS)[:-20_000], "not XML"),
        (replaced(aecg(COUNTS), '<scale value="5" unit="uV"', '<scale value="5"'), "unknown amplitude unit"),
        (replaced(aecg(COUNTS), '<scale value="5" unit="uV"', '<scale value="5" unit="kg"'), "unknown amplitude unit"),
        (replaced(aecg(COUNTS), '<origin value="0" unit="uV"', '<origin value="1" unit=""'), "unknown amplitude unit"),
        (replaced(aecg(COUNTS), 'value="0.002" unit="s"', 'value="0.002" unit="h"'), "unknown sampling rate"),
        (replaced(aecg(COUNTS), 'value="0.002"', 'value="0"'), "unknown sampling rate"),
        (replaced(aecg(COUNTS), "TIME_ABSOLUTE", "NOTHING"), "unknown sampling rate"),
        (replaced(aecg(COUNTS), 'code="RHYTHM"', 'code="REPRESENTATIVE_BEAT"'), "no rhythm"),
        (replaced(aecg(COUNTS), "<digits>", "<digits>1_0 "), "samples are not numbers"),
        (replaced(aecg(COUNTS), "<digits>", "<digits>nan "), "samples are not numbers"),
        (replaced(aecg(COUNTS), "<digits>", "<digits>1e999 "), "samples are not numbers"),
        (replaced(aecg(COUNTS), "LEAD_V2", "LEAD_V1"), "duplicate lead"),
        (replaced(sierra(COUNTS), "1.04<", "1.05<", "utf-16"), "unknown Sierra version"),
        (
            replaced(sierra(COUNTS), '="5"|>5<', lambda found: found[0].replace("5", ""), "utf-16"),
            "unknown amplitude unit",
        ),
        (replaced(sierra(COUNTS), 'samplespersecond="500"', 'samplespersecond="x"', "utf-16"), "unknown sampling rate"),
        (replaced(sierra(COUNTS), '"XLI"', '"ZIP"', "utf-16"), "unknown sample format"),
        (replaced(sierra(COUNTS), 'bitspersample="16"', 'bitspersample="12"', "utf-16"), "unknown sample format"),
        (
            replaced(sierra(COUNTS), 'durationperchannel="10000"', 'durationperchannel="11000"', "utf-16"),
            "sample count differs from the header",
        ),
        (replaced(sierra(COUNTS), 'channel="10000"', 'channel="1e9"', "utf-16"), "file too large"),
        (dicom(COUNTS).replace(b"uV", b"kg"), "unknown amplitude unit"),
        (dicom(COUNTS).replace(b"RHYTHM", b"MEDIAN"), "no rhythm"),
        (
            dicom(COUNTS).replace(b"MEDIAN BEAT", b"SOMETHING  ").replace(b"DERIVED ", b"ORIGINAL"),
            "more than one rhythm",
        ),
        (dicom(COUNTS).replace(b"5.6.3-9-1 ", b"5.6.3-9-2 "), "contradictory names of a lead"),
        (dicom(COUNTS).replace(b"SS", b"MB"), "unknown sample format"),
        (dicom(COUNTS)[:50_000], "no rhythm"),
        (edf(COUNTS).replace(b"uV      ", b"        "), "unknown amplitude unit"),
        (edf(COUNTS).replace(b"-32768  ", b"32768   "), "unknown amplitude unit"),
        (edf(COUNTS)[:-1], "sample count differs from the header"),
        (edf(COUNTS) + b"\0", "sample count differs from the header"),
        (edf(COUNTS).replace(b"ECG V2", b"ECG V1"), "duplicate lead"),
        (edf(COUNTS)[:300], "not an EDF header"),
        (edf(COUNTS)[:192] + b"EDF+D" + edf(COUNTS)[197:], "record with gaps"),
        (scp(COUNTS)[:-1] + b"\x55", "checksum is wrong"),
        (scp(COUNTS)[:-10], "undecodable SCP-ECG"),
    ],
)
def test_what_is_unclear_is_refused(content, reason):
    assert reason_of(content) == reason


def scp_with(**changes):
    parts = dict(_sections(scp(COUNTS)))
    return assemble(parts | {int(number[1:]): body for number, body in changes.items()})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (scp_with(s2=struct.pack("<H", 2)), "unsupported SCP-ECG compression"),
        (scp_with(s2=struct.pack("<HHBBBhI", 1, 1, 1, 1, 0, 1, 0)), "unsupported SCP-ECG compression"),
        (scp_with(s2=struct.pack("<HHBBBhI", 1, 1, 40, 40, 1, 1, 0)), "undecodable SCP-ECG"),
        (scp_with(s2=struct.pack("<HH" + "BBBhI" * 2, 1, 2, 1, 1, 1, 1, 0, 2, 2, 1, 1, 0)), "undecodable SCP-ECG"),
        (scp_with(s3=struct.pack("<BB", 8, 4)), "undecodable SCP-ECG"),
        (scp_with(s3=struct.pack("<BBIIB", 1, 4, 1, 2**32 - 1, 1)), "file too large"),
        (scp_with(s3=struct.pack("<BBIIB", 1, 4, 0, 10, 1)), "undecodable SCP-ECG"),
        (scp_with(s6=struct.pack("<HHBB", 5000, 2000, 2, 1) + bytes(5000)), "sample count differs from the header"),
        (scp_with(s6=scp_block(COUNTS[list(EIGHT)], True, 0)), "unknown amplitude unit"),
        (scp_with(s6=b""), "undecodable SCP-ECG"),
    ],
)
def test_a_damaged_scp_with_right_checksums_is_refused(content, reason):
    assert reason_of(content) == reason


def test_bimodal_compression_is_refused():
    block = bytearray(scp_block(COUNTS[list(EIGHT)], True, 5))
    block[5] = 1
    assert reason_of(scp_with(s6=bytes(block))) == "unsupported SCP-ECG compression"


@pytest.mark.parametrize("compressed", [False, True])
def test_the_reference_beat_of_scp_is_added_where_it_was_subtracted(compressed):
    content = scp(COUNTS, compressed=compressed, beats=[200, 625, 1050, 4700])
    assert len(_sections(content)) == 4 + compressed
    np.testing.assert_allclose(parse_ecg(content).signal[[0, 1, *range(6, 12)]], MV[list(EIGHT)], atol=1e-9)


@pytest.mark.parametrize(("interval", "rate"), [(2000, 500), (1667, 600), (4167, 240), (1250, 800), (2001, 1e6 / 2001)])
def test_rates_of_scp_are_whole_where_their_rounded_interval_says_so(interval, rate):
    block = bytearray(scp_block(COUNTS[list(EIGHT)], True, 5))
    block[2:4] = struct.pack("<H", interval)
    assert parse_ecg(scp_with(s6=bytes(block))).sampling_rate_hz == rate


def test_a_custom_huffman_table_of_scp_is_read():
    """Codes 0: a signed number of 16 bits follows; values as they are."""
    leads = COUNTS[list(EIGHT)]
    chunks = []
    for lead in leads:
        bits = "".join(f"0{int(value) & 0xFFFF:016b}" for value in lead)
        chunks.append(int(bits + "0" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8)))
    block = struct.pack("<HHBB8H", 5000, 2000, 0, 0, *map(len, chunks)) + b"".join(chunks)
    table = struct.pack("<HHBBBhI", 1, 1, 1, 17, 1, 0, 0)
    np.testing.assert_allclose(parse_ecg(scp_with(s2=table, s6=block)).signal[0], MV[0], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_xli_comes_back(seed):
    leads = np.random.default_rng(seed).integers(-3000, 3000, (12, 700))
    found = decode_xli(xli(leads))
    np.testing.assert_array_equal(found[0], leads[0])
    np.testing.assert_array_equal(found[11], leads[11])


def test_a_padded_sample_of_dicom_is_blank_but_zero_is_a_sample():
    content = dicom(COUNTS)
    place = content.index(struct.pack("<HH", 0x5400, 0x1010))

    def padded(value):
        element = struct.pack("<HH2s2xIh", 0x5400, 0x100A, b"OW", 2, value)
        return grown(content[:place] + element + content[place:], len(element))

    value = int(COUNTS[0, 0])
    assert np.isnan(parse_ecg(padded(value)).signal[0, 0])
    assert not np.isnan(parse_ecg(padded(0)).signal).any()


def grown(content, more):
    """DICOM whose first item and sequence have explicit lengths, made longer."""
    start = content.index(struct.pack("<HH2s", 0x5400, 0x0100, b"SQ"))
    length, item = struct.unpack_from("<I", content, start + 8)[0], start + 12
    inner = struct.unpack_from("<I", content, item + 4)[0]
    changed = bytearray(content)
    if length != 0xFFFFFFFF:
        changed[start + 8 : start + 12] = struct.pack("<I", length + more)
    if inner != 0xFFFFFFFF:
        changed[item + 4 : item + 8] = struct.pack("<I", inner + more)
    return bytes(changed)


def test_the_remark_of_poor_quality_is_kept():
    assert parse_ecg(replaced(muse(COUNTS), "Sinus rhythm", "*** Poor data quality")).poor_quality


@pytest.mark.parametrize("name", WRITERS)
def test_damage_is_refused_or_harmless_and_never_an_error(name):
    ending, write = WRITERS[name]
    rng = np.random.default_rng(len(name))
    kinds = TEXT if ending == ".xml" else BINARY
    sound = write(COUNTS[:, :1000])
    refused = 0
    for index in range(MUTATIONS):
        content = kinds[index % len(kinds)](sound, rng)
        began = time.perf_counter()
        try:
            signal = parse_ecg(content, ending == ".xml").signal
            assert signal.shape[0] == 12 and signal.shape[1] <= 200_000
        except Rejection as error:
            refused += 1
            assert SECRET not in f"{error.reason} {error.detail}" and len(error.detail) < 200
        assert time.perf_counter() - began < SLOWEST_S
    assert refused > MUTATIONS / 5


def test_damage_behind_the_checksums_of_scp_is_never_an_error():
    rng = np.random.default_rng(7)
    sound = dict(_sections(scp(COUNTS[:, :1000], beats=[200, 625])))
    refused = 0
    for index in range(3 * MUTATIONS):
        number = (2, 3, 4, 5, 6)[index % 5]
        try:
            parse_ecg(assemble(sound | {number: BINARY[index % len(BINARY)](sound[number], rng)}))
        except Rejection:
            refused += 1
    assert refused > MUTATIONS


def assert_same_as_another_reader(ecg, path):
    """The samples are those of ecgdatakit, lead by lead; it rounds rates and takes a padding of 0 for blank."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = ecgdatakit.FileParser.parse(path, units="mV")
    leads = {lead.label: lead for lead in record.leads}
    for row, name in enumerate(LEADS):
        if name not in ecg.missing:
            known = ~np.isnan(leads[name].samples)
            np.testing.assert_allclose(ecg.signal[row][known], leads[name].samples[known], atol=1e-9)
    assert round(ecg.sampling_rate_hz) == leads["I"].sampling_rate


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "bdf"])
def test_an_independent_reader_reads_the_same(tmp_path, name):
    ending, write = WRITERS[name]
    path = tmp_path / f"ecg{ending}"
    path.write_bytes(write(COUNTS))
    assert_same_as_another_reader(read_ecg(path), path)


def test_an_independent_reader_adds_the_same_reference_beats(tmp_path):
    path = tmp_path / "ecg.scp"
    path.write_bytes(scp(COUNTS, beats=[200, 625, 1050, 4700]))
    assert_same_as_another_reader(read_ecg(path), path)


REAL_FILES = sorted(path for path in REAL.rglob("*") if path.is_file()) if REAL.is_dir() else []


@pytest.mark.skipif(not REAL_FILES, reason="../shared/data/ecg_formats is not there")
def test_real_files_are_read_as_an_independent_reader_does():
    """Most files of a folder are read, and then with the same samples."""
    same = 0
    for path in REAL_FILES:
        try:
            ecg = read_ecg(path)
        except Rejection:
            continue
        assert_same_as_another_reader(ecg, path)
        same += 1
    assert same > len(REAL_FILES) / 2

import os

import numpy as np
import pytest
from cohort.raw_files import CLEAN, counts
from fuzz.mutate import BINARY, TEXT
from wfdb import wrsamp

from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.ecg.wfdb_header import parse_header
from cmr2ecg.ecg.wfdb_record import read_wfdb
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.steps.clean_ecg import clean_file

MV = counts(1) * 0.005
NAME = "9000001_20205_2_0"


def write(folder, signal=MV, leads=LEADS, *, unit="mV", rate=500, form="16", gain=1000.0):
    """Write a record with a .dat file and return its header's path."""
    options = {"fmt": [form] * len(leads), "units": [unit] * len(leads), "sig_name": list(leads)}
    scale = {"gain": [gain] * len(leads), "baseline": [0] * len(leads)}
    digital = np.rint(signal.T * gain).astype(np.int64)
    wrsamp(
        NAME, fs=rate, d_signal=digital, adc_gain=scale["gain"], baseline=scale["baseline"], **options, write_dir=folder
    )
    return folder / f"{NAME}.hea"


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def reason_of(path):
    with pytest.raises(Rejection) as caught:
        read_wfdb(path)
    assert "900000" not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "212"])
def test_values_come_back_in_mv_in_every_format(tmp_path, form):
    gain = 40.0 if form == "80" else 1000.0
    ecg = read_wfdb(write(tmp_path, form=form, gain=gain))
    np.testing.assert_allclose(ecg.signal, MV, atol=0.51 / gain)
    assert (ecg.sampling_rate_hz, ecg.resolution_uv, ecg.missing) == (500, 1000 / gain, ())


def test_leads_are_found_by_name_and_others_left_alone(tmp_path):
    order = np.random.default_rng(0).permutation(12)
    names = [f"ECG Lead {LEADS[i]}" if i % 3 else LEADS[i].upper() for i in order]
    path = write(tmp_path, np.vstack([MV[order], 9 * MV[:1]]), [*names, "vx"])
    np.testing.assert_allclose(read_wfdb(path).signal, MV, atol=1e-9)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mV", 1), ("mv", 1), ("/mv", 1), ("uV", 1e-3), ("V", 1e3), ("nV", 1e-6), ("", 1)]
)
def test_units_are_read(tmp_path, unit, factor):
    path = edit(write(tmp_path), ("/mV", f"/{unit}" if unit else ""))
    np.testing.assert_allclose(read_wfdb(path).signal, MV * factor, rtol=1e-12)


def test_marked_samples_are_blank_and_limb_leads_may_be_absent(tmp_path):
    signal = np.delete(MV, [2, 3, 4, 5], axis=0)
    digital = np.rint(signal.T * 1000).astype(np.int64)
    digital[10:20, 3] = -32768  # the format's mark of an invalid sample
    leads = [lead for lead in LEADS if lead not in ("III", "aVR", "aVL", "aVF")]
    scale = {"adc_gain": [1000.0] * 8, "baseline": [0] * 8, "units": ["mV"] * 8, "fmt": ["16"] * 8}
    wrsamp(NAME, fs=500, d_signal=digital, sig_name=leads, write_dir=tmp_path, **scale)
    ecg = read_wfdb(tmp_path / f"{NAME}.hea")
    assert ecg.missing == ("III", "aVR", "aVL", "aVF") and np.isnan(ecg.signal[7, 10:20]).all()
    row, measures = clean_file(tmp_path / f"{NAME}.hea", CLEAN)
    assert np.isfinite(row["ecg"]).all() and measures["blank_samples"] == 10
    assert measures["repairs"] == "III aVR aVL aVF computed from the other limb leads; blank samples set to 0"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f"{NAME}.dat", "../other.dat", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "/etc/passwd", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "https://x.org/y.dat", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "s3://x/y.dat", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "..", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "~", "signal file is not in its header's folder"),
        (f"{NAME}.dat", "absent.dat", "file cannot be opened"),
        (f"{NAME} 12", f"{NAME}/3 12", "WFDB record of several segments"),
        (f"{NAME} 12", "folder/3 12", "WFDB record of several segments"),
        (f"{NAME} 12", f"{NAME} 99999", "not a WFDB header"),
        (" 500 5000", "", "unknown sampling rate"),
        (" 500 5000", " 5e2 5000", "unknown sampling rate"),
        (" 500 5000", " 9999999 5000", "unknown sampling rate"),
        (" 500 5000", " 500 50x0", "not a WFDB header"),
        (" 500 5000", " 500 999999999999", "file too large"),
        (" 500 5000", " 500 4000", "checksum is wrong"),
        (" 500 5000", " 500 6000", "sample count differs from the header"),
        ("/mV", "/mmHg", "unknown amplitude unit"),
        ("1000.0(0)/mV", "0", "unknown amplitude unit"),
        ("1000.0(0)/mV", "1e-300(0)/V", "unknown amplitude unit"),
        (" 16 0 ", " 16 x ", "not a WFDB header"),
        (".dat 16 ", ".dat 516 ", "unknown WFDB format"),
        (".dat 16 ", ".dat 16x2 ", "unknown WFDB format"),
        (".dat 16 ", ".dat 16x0 ", "unknown WFDB format"),
        (".dat 16 ", ".dat 16+24 ", "sample count differs from the header"),
        (".dat 16 ", ".dat x ", "unknown WFDB format"),
        (" V3\n", " V2\n", "duplicate lead"),
        (" V3\n", " V9\n", "missing lead"),
        (" I\n", " I\nmore 16 1\n", "not a WFDB header"),
    ],
)
def test_bad_headers_are_rejected_with_a_reason(tmp_path, old, new, reason):
    assert reason_of(edit(write(tmp_path), (old, new))) == reason


@pytest.mark.parametrize(
    "line",
    [
        f"{NAME}.mat 12 500 5000 12-May-2020 12:33:59",  # PhysioNet 2020
        f"{NAME} 12 500 5000 12:33:59 12/05/2020",
        f"{NAME} 12 500 5000 2020-05-12T12:33:59",
        f"{NAME} 12 500 5000 99:99:99 31/02/2020",
        f"{NAME} 12 500 5000 [12:33:59 12/05/2020]",
        f"{NAME} 12 500/500(0) 5000",
        f"g1/{NAME}.hea 12 500 5000",
        "records500/00000/00001_hr 12 500 5000",
        f"{NAME} 12 500",
        f"{NAME} 12 500 0",
        f"{NAME} 12 500 12:33:59",
        f"{NAME} 12 500 12-May-2020",
    ],
)
def test_names_dates_and_a_missing_count_are_no_hindrance(tmp_path, line):
    path = edit(write(tmp_path), (f"{NAME} 12 500 5000", line))
    np.testing.assert_allclose(read_wfdb(path).signal, MV, atol=1e-9)


def test_a_record_that_is_a_number_in_a_folder_has_no_segments():
    line = b"x.dat 16 1000/mV 16 0 0 0 0 I"
    assert parse_header(b"mitdb/100 1 500 5000\n" + line, "100")[1] == 5000


def test_other_signals_may_have_any_unit_and_rate(tmp_path):
    signal = np.vstack([MV, 9 * MV[:1]])
    path = write(tmp_path, signal, [*LEADS, "resp"])
    wanted = read_wfdb(path).signal
    text = path.read_text().splitlines()
    for line in (f"{NAME}.dat 16 0 12 0 0 0 0 resp", f"{NAME}.dat 16 50/mmHg x 0 0 0 0 resp", f"{NAME}.dat 16 1000"):
        path.write_text("\n".join([*text[:13], line, ""]))
        np.testing.assert_array_equal(read_wfdb(path).signal, wanted)
    pairs = np.rint(np.vstack([MV, MV[:2]]).T * 1000).astype("<i2")  # two samples a frame of the thirteenth
    (tmp_path / f"{NAME}.dat").write_bytes(pairs.tobytes())
    path.write_text("\n".join([*text[:13], f"{NAME}.dat 16x2 0 12 0 0 0 0 resp", ""]))
    np.testing.assert_array_equal(read_wfdb(path).signal, wanted)


def test_a_lead_with_skew_is_moved_ahead(tmp_path):
    lagging = MV.copy()
    lagging[7, 4:] = MV[7, :-4]
    lines = write(tmp_path, lagging).read_text().splitlines()
    lines[8] = lines[8].replace(".dat 16 ", ".dat 16:4 ")
    (tmp_path / f"{NAME}.hea").write_text("\n".join(lines))
    signal = read_wfdb(tmp_path / f"{NAME}.hea").signal
    np.testing.assert_allclose(signal[:, :-4], MV[:, :-4], atol=1e-9)
    assert np.isnan(signal[7, -4:]).all() and np.isnan(signal).sum() == 4


def test_the_header_that_is_named_is_read_in_any_case(tmp_path):
    """X.HEA with X.DAT and X.hea with X.dat are two records where the disk tells them apart."""
    other = counts(2) * 0.005
    write(tmp_path).rename(tmp_path / f"{NAME}.HEA")
    (tmp_path / f"{NAME}.dat").rename(tmp_path / f"{NAME}.DAT")
    upper = tmp_path / f"{NAME}.HEA"
    np.testing.assert_allclose(read_ecg(upper).signal, MV, atol=1e-9)  # names .dat, and only .DAT is there
    edit(upper, (".dat", ".DAT"))
    lower = write(tmp_path, other)
    np.testing.assert_allclose(read_ecg(upper).signal, MV, atol=1e-9)
    np.testing.assert_allclose(read_ecg(lower).signal, other, atol=1e-9)


@pytest.mark.parametrize("name", ["x.y.dat", "ß-1.dat", "x"])
def test_signal_files_of_unusual_names(tmp_path, name):
    path = edit(write(tmp_path), (f"{NAME}.dat", name))
    (tmp_path / f"{NAME}.dat").rename(tmp_path / name)
    np.testing.assert_allclose(read_wfdb(path).signal, MV, atol=1e-9)


def test_half_an_hour_at_257_hz(tmp_path):
    """As the records of the St Petersburg institute in PhysioNet 2020."""
    minutes = np.tile(np.rint(MV * 1000).astype("<i2"), 93)[:, :462_600]
    sums = minutes.sum(axis=1, dtype=np.int64) % 65536
    lines = [f"x.dat 16 1000/mV 16 0 0 {total} 0 {lead}" for lead, total in zip(LEADS, sums, strict=True)]
    (tmp_path / "x.hea").write_text("\n".join(["x 12 257 462600", *lines]))
    (tmp_path / "x.dat").write_bytes(minutes.T.tobytes())
    row, measures = clean_file(tmp_path / "x.hea", CLEAN)
    assert row["ecg"].shape == (12, 5000) and measures["repairs"] == "cut from 1800 s; resampled from 257 Hz"


def test_folders_and_pipes_are_refused(tmp_path):
    (tmp_path / "folder.hea").mkdir()
    os.mkfifo(tmp_path / "pipe.hea")
    for name, kind in (("folder", "a folder"), ("pipe", "a pipe")):
        with pytest.raises(Rejection, match="file cannot be opened") as caught:
            read_wfdb(tmp_path / f"{name}.hea")
        assert caught.value.detail == kind
    path = write(tmp_path)
    (tmp_path / f"{NAME}.dat").unlink()
    (tmp_path / f"{NAME}.dat").mkdir()
    assert reason_of(path) == "file cannot be opened"


def test_a_header_that_leads_elsewhere_by_a_link_is_refused(tmp_path):
    path = write(tmp_path)
    data = tmp_path / f"{NAME}.dat"
    data.rename(tmp_path / "secret")
    data.symlink_to("secret")
    assert reason_of(path) == "file cannot be opened"


def test_a_huge_signal_file_is_refused_unread(tmp_path):
    path = write(tmp_path)
    with open(tmp_path / f"{NAME}.dat", "ab") as handle:
        handle.truncate(3_000_000_000)
    assert reason_of(path) == "file too large"


def test_a_changed_sample_breaks_the_checksum(tmp_path):
    path = write(tmp_path)
    content = bytearray((tmp_path / f"{NAME}.dat").read_bytes())
    content[24 * 100] ^= 1
    (tmp_path / f"{NAME}.dat").write_bytes(content)
    assert reason_of(path) == "checksum is wrong"


def test_no_header_at_all():
    for content in (b"", b"# a comment\n", b"\xff\xfe\x00", b"x", b"x 0 500 5000\n"):
        with pytest.raises(Rejection, match="not a WFDB header"):
            parse_header(content)


def test_damaged_records_are_rejected_or_the_sound_signal(tmp_path):
    """90 headers and 60 signal files, each damaged in another way."""
    path = write(tmp_path)
    sound = {file: file.read_bytes() for file in (path, path.with_suffix(".dat"))}
    rng = np.random.default_rng(0)
    rejected = 0
    for file, kinds, number in ((path, TEXT, 90), (path.with_suffix(".dat"), BINARY, 60)):
        for index in range(number):
            file.write_bytes(kinds[index % len(kinds)](sound[file], rng))
            try:
                row, measures = clean_file(path, CLEAN)
            except Rejection as error:
                rejected += 1
                assert error.reason
            else:
                assert row["ecg"].shape == (12, 5000) and np.isfinite(row["ecg"]).all()
                ecg = read_wfdb(path)
                same = [np.corrcoef(a, b)[0, 1] > 0.9 for a, b in zip(ecg.signal, MV, strict=True)]
                assert all(same) or measures["repairs"] or measures["limb_leads"], index
        file.write_bytes(sound[file])
    assert rejected > 75

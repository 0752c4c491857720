import numpy as np
import pytest
from data.raw_files import CLEAN, counts
from fuzz.mutate import BINARY, TEXT
from wfdb import wrsamp

from cmr2ecg.steps.clean_ecg import clean_file
from cmr2ecg.ukb.recording import LEADS
from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.wfdb_record import parse_header, read_wfdb

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
    row, measures = clean_file(tmp_path / f"{NAME}.hea", **CLEAN)
    assert np.isfinite(row["ecg"]).all() and measures["blank_samples"] == 10
    assert measures["repairs"] == "III aVR aVL aVF computed from the other limb leads; blank samples set to 0"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f"{NAME}.dat", "../other.dat", "signal file is not beside its header"),
        (f"{NAME}.dat", "/etc/passwd", "signal file is not beside its header"),
        (f"{NAME}.dat", "https://x.org/y.dat", "signal file is not beside its header"),
        (f"{NAME}.dat", "s3://x/y.dat", "signal file is not beside its header"),
        (f"{NAME}.dat", "..", "signal file is not beside its header"),
        (f"{NAME}.dat", "~", "signal file is not beside its header"),
        (f"{NAME}.dat", "absent.dat", "file cannot be opened"),
        (f"{NAME} 12", f"{NAME}/3 12", "WFDB record of several segments"),
        (f"{NAME} 12", f"{NAME} 99999", "not a WFDB header"),
        (" 500 5000", "", "unknown sampling rate"),
        (" 500 5000", " 5e2 5000", "unknown sampling rate"),
        (" 500 5000", " 9999999 5000", "unknown sampling rate"),
        (" 500 5000", " 500", "not a WFDB header"),
        (" 500 5000", " 500 999999999999", "file too large"),
        (" 500 5000", " 500 4000", "checksum is wrong"),
        (" 500 5000", " 500 6000", "not a WFDB record"),
        ("/mV", "/mmHg", "unknown amplitude unit"),
        ("1000.0(0)/mV", "0", "unknown amplitude unit"),
        (".dat 16 ", ".dat 516 ", "unknown WFDB format"),
        (".dat 16 ", ".dat 16x2 ", "unknown WFDB format"),
        (".dat 16 ", ".dat x ", "unknown WFDB format"),
        (" V3\n", " V2\n", "a lead is there twice"),
        (" V3\n", " V9\n", "missing lead"),
        (" I\n", " I\nmore 16 1\n", "not a WFDB header"),
    ],
)
def test_bad_headers_are_rejected_with_a_reason(tmp_path, old, new, reason):
    assert reason_of(edit(write(tmp_path), (old, new))) == reason


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
                row, measures = clean_file(path, **CLEAN)
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

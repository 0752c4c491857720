"""Twenty real ECGs (ten of PTB-XL, ten of Ningbo) through the cleaning, as WFDB records and as CardioSoft XML."""

import re
from functools import lru_cache

import numpy as np
import pytest
from cohort.raw_files import CLEAN
from ecg.real_files import ECG_FOLDER, as_cardiosoft, real_records

from cmr2ecg.ecg.beats import find_beats
from cmr2ecg.ecg.clean import LEAD_GROUPS, baseline
from cmr2ecg.ecg.prepare import prepare
from cmr2ecg.ecg.recording import Ecg
from cmr2ecg.ecg.wfdb_record import read_wfdb
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.steps.clean_ecg import clean_file

pytestmark = pytest.mark.skipif(not ECG_FOLDER.is_dir(), reason="../shared/data/ecg_wfdb is not there")

BRADYCARDIA, TACHYCARDIA = "426177001", "427084000"  # SNOMED CT codes in the records' comments
THREE_FLAT = {"JS20004", "JS20008"}


@lru_cache(maxsize=1)
def signals() -> dict[str, np.ndarray]:
    """The records (12, 5000) in mV by name."""
    return {record.name: read_wfdb(record.with_suffix(".hea")).signal for record in real_records()}


def test_all_are_accepted_and_flat_chest_leads_are_named():
    records = real_records()
    assert len(records) == 20
    for record in records:
        row, measures = clean_file(record.with_suffix(".hea"), CLEAN)
        assert row["ecg"].shape == (12, 5000) and np.isfinite(row["ecg"]).all()
        for group in LEAD_GROUPS:
            assert row["ecg"][group].std() == pytest.approx(1, rel=1e-6)
        # wander holds up to 55 % of the power of these records; what is left below 0.35 Hz belongs to irregular beats
        power = np.abs(np.fft.rfft(row["ecg"], axis=1)[:, 1:]) ** 2
        assert power[:, :3].sum() / power.sum() < 0.03
        assert measures["flat_leads"] == ("V2 V4 V6" if record.name in THREE_FLAT else "")
        assert measures["repairs"] == "" and measures["limb_leads"] == ""
        assert float(measures["einthoven_error"]) < 0.02 and float(measures["snr_db"]) > 12


@pytest.mark.parametrize("name", ["HR06002", "JS20005"])
def test_xml_and_wfdb_give_the_same(tmp_path, name):
    record = ECG_FOLDER / name
    path = tmp_path / "x.xml"
    path.write_bytes(as_cardiosoft(record))
    xml, wfdb = (clean_file(file, CLEAN) for file in (path, record.with_suffix(".hea")))
    np.testing.assert_allclose(xml[0]["ecg"], wfdb[0]["ecg"], atol=0.1)  # counts of 5 instead of 1 uV
    assert xml[1]["heart_rate_bpm"] == wfdb[1]["heart_rate_bpm"]


def test_the_heart_rate_agrees_with_the_cardiologist_s_diagnosis():
    diagnosed = 0
    for record in real_records():
        rate = float(clean_file(record.with_suffix(".hea"), CLEAN)[1]["heart_rate_bpm"])
        codes = re.search(r"Dx: ?(.*)", record.with_suffix(".hea").read_text())[1].split(",")
        diagnosed += BRADYCARDIA in codes or TACHYCARDIA in codes
        assert rate < 60 or BRADYCARDIA not in codes
        assert rate > 100 or TACHYCARDIA not in codes
    assert diagnosed == 10


def test_a_wander_of_half_a_millivolt_is_taken_out_by_35_db():
    """Here a few leads; the worst of all 240 has 73, 54 and 42 dB at 0.1, 0.2 and 0.3 Hz."""
    time = np.arange(5000) / 500
    options = dict(CLEAN.baseline)
    for hertz in (0.1, 0.2, 0.3):
        wander = 0.5 * np.sin(2 * np.pi * hertz * time)
        for name in ("HR06000", "HR06005", "JS20003", "JS20007"):
            for lead in signals()[name][[0, 1, 6, 10]]:
                before, after = (trace - baseline(trace, **options) for trace in (lead, lead + wander))
                assert 20 * np.log10(wander.std() / (after - before).std()) > 35, (name, hertz)


def r_heights(lead: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Height of R peaks above the PQ level, the median of 80 to 50 ms before each peak."""
    return np.array([lead[peak] - np.median(lead[peak - 40 : peak - 25]) for peak in peaks])


def test_r_peaks_keep_their_height_within_5_percent():
    """Every record's typical peak and nearly every lead's; at the authors' setting the baseline follows very large and
    wide beats a little, so that one peak in fifteen moves further (docs/raw_data.md)."""
    peaks_kept, leads = [], []
    for name, signal in signals().items():
        beats = find_beats(signal, 500)
        beats = beats[(beats > 100) & (beats < 4940)]
        found = []
        for lead in signal[signal.std(axis=1) > 0]:
            peaks = np.array([beat - 40 + int(np.argmax(lead[beat - 40 : beat + 40])) for beat in beats])
            before = r_heights(lead, peaks)
            after = r_heights(lead - baseline(lead, **dict(CLEAN.baseline)), peaks)
            large = before > 0.3  # mV
            found += np.abs(after[large] / before[large] - 1).tolist()
            if large.sum() >= 3:
                leads.append(abs(np.median(after[large]) / np.median(before[large]) - 1))
        assert np.median(found) < 0.035, name
        peaks_kept += found
    assert len(leads) > 150 and np.mean(np.array(leads) < 0.05) > 0.95 and max(leads) < 0.08
    assert len(peaks_kept) > 2000 and np.median(peaks_kept) < 0.015 and np.mean(np.array(peaks_kept) < 0.05) > 0.9


@pytest.mark.parametrize("number", [1, 5, 20, 100, 500])
def test_random_blanks_reject_no_record(number):
    """In all leads, and the same number in lead II alone, the first at its highest peak."""
    rng = np.random.default_rng(number)
    for signal in signals().values():
        anywhere, in_two = signal.copy(), signal.copy()
        anywhere.reshape(-1)[rng.choice(signal.size, number, replace=False)] = np.nan
        in_two[1, rng.choice(5000, number - 1, replace=False)] = np.nan
        if number < 500:
            in_two[1, np.abs(signal[1]).argmax()] = np.nan
        for blank in (anywhere, in_two):
            cleaned, measures = prepared(blank)
            assert np.isfinite(cleaned).all() and "blank samples set to 0" in measures["repairs"]
            assert measures["limb_leads"] in ("", "I opposes V6") and float(measures["einthoven_error"]) < 0.02


@pytest.mark.parametrize("number", [500])
def test_blanks_hide_no_swapped_lead(number):
    rng = np.random.default_rng(number)
    for signal in signals().values():
        swapped = signal.copy()
        swapped[[1, 2]] = signal[[2, 1]]
        swapped.reshape(-1)[rng.choice(6 * 5000, number, replace=False)] = np.nan
        with pytest.raises(Rejection, match="limb leads contradict each other"):
            prepared(swapped)


def prepared(signal: np.ndarray):
    sizes = {"sampling_rate_hz": CLEAN.sampling_rate_hz, "samples": CLEAN.samples}
    return prepare(Ecg(signal, 500.0, 1.0), **sizes, quality=CLEAN.quality)

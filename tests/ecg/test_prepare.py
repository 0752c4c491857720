"""Every flaw of a record is accepted, repaired or rejected by a rule, and named."""

import numpy as np
import pytest
from cohort.raw_files import CLEAN, counts
from paper_settings import changed

from cmr2ecg.ecg.prepare import MEASURES, prepare
from cmr2ecg.ecg.recording import LEADS, Ecg
from cmr2ecg.raw.rejection import Rejection

MV = counts(0) * 0.005
CONTRADICT = "limb leads contradict each other"


def ecg(signal, rate=500.0, **options):
    return Ecg(np.asarray(signal, float), rate, 5.0, **options)


def prepared(record, **quality):
    return prepare(
        record,
        sampling_rate_hz=CLEAN.sampling_rate_hz,
        samples=CLEAN.samples,
        quality=changed(CLEAN.quality, **quality),
    )


def edit(change):
    """A copy of the sound signal after `change`."""
    signal = MV.copy()
    change(signal)
    return signal


def put(rows, columns, value):
    return lambda signal: signal.__setitem__((rows, columns), value)


def test_a_sound_record_is_left_alone():
    signal, measures = prepared(ecg(MV))
    np.testing.assert_array_equal(signal, MV)
    assert set(measures) == set(MEASURES)
    for name in ("repairs", "flat_leads", "saturated_leads", "limb_leads", "poor_quality"):
        assert measures[name] == ""
    assert float(measures["heart_rate_bpm"]) == pytest.approx(60 / 0.85, abs=0.2)
    assert float(measures["einthoven_error"]) < 0.02 and float(measures["snr_db"]) > 10


def test_another_rate_is_resampled_and_a_long_record_keeps_its_start():
    fast = np.repeat(MV, 2, axis=1)
    signal, measures = prepared(ecg(fast, 1000.0))
    assert signal.shape == (12, 5000) and measures["repairs"] == "resampled from 1000 Hz"
    assert np.corrcoef(signal.ravel(), MV.ravel())[0, 1] > 0.98
    long = counts(0, 9000) * 0.005
    signal, measures = prepared(ecg(long))
    np.testing.assert_array_equal(signal, long[:, :5000])
    assert measures["repairs"] == "cut from 18 s"


@pytest.mark.parametrize("rate", [250.0, 360.0, 400.0, 1000.0])
def test_resampling_keeps_a_sine_and_the_end_does_not_ring(rate):
    time, new = np.arange(int(12 * rate)) / rate, np.arange(5000) / 500
    tone = lambda t: np.sin(2 * np.pi * 7 * t) * np.ones((12, 1))  # noqa: E731
    limits = {"max_einthoven_error": 9.0, "minimum_beats": 0}
    signal, _ = prepared(ecg(tone(time), rate), **limits)
    np.testing.assert_allclose(signal[:, 20:], tone(new)[:, 20:], atol=0.01)


def test_blank_cells_become_zero():
    signal, measures = prepared(ecg(edit(put(8, slice(10, 20), np.nan))))
    assert (signal[8, 10:20] == 0).all()
    assert measures["repairs"] == "blank samples set to 0" and measures["blank_samples"] == 10


def test_blanks_take_no_part_in_any_check():
    """10 % of each lead, one at the highest peak; every measure stays what it is without."""
    blank = np.random.default_rng(0).permuted(np.tile(np.arange(5000) < 499, (12, 1)), axis=1)
    blank[range(12), np.abs(MV).argmax(axis=1)] = True
    _, sound = prepared(ecg(MV))
    signal, measures = prepared(ecg(np.where(blank, np.nan, MV)))
    assert (signal[blank] == 0).all() and (signal[~blank] == MV[~blank]).all()
    for name in ("flat_leads", "saturated_leads", "limb_leads", "beats"):
        assert measures[name] == sound[name]
    assert float(measures["einthoven_error"]) < 0.02
    assert float(measures["snr_db"]) == pytest.approx(float(sound["snr_db"]), abs=3)


@pytest.mark.parametrize("rate", [500.0, 250.0])
def test_blanks_hide_no_flaw(rate):
    """A flat lead is flat and a cut-off one is cut off beside blanks, which part no stretch."""
    blank = np.zeros((12, int(10 * rate)), bool)
    blank[:, ::25] = True
    for change, reason in ((put(4, slice(None), 1.25), "flat lead"), (put(0, slice(0, 600), 0.1), "flat lead"),
                           (cut_off, "saturated lead"), (put(3, slice(None), -MV[3]), CONTRADICT)):  # fmt: skip
        signal = edit(change)[:, :: int(500 / rate)]
        with pytest.raises(Rejection, match=reason):
            prepared(ecg(np.where(blank, np.nan, signal), rate))


def test_a_blank_lead_is_named_where_all_blanks_are_allowed():
    _, measures = prepared(ecg(edit(put(8, slice(None), np.nan))), max_blank=1.0)
    assert measures["flat_leads"] == "V3"


@pytest.mark.parametrize("value", [1e10, 1e300, np.inf])
@pytest.mark.filterwarnings("error")
def test_absurd_numbers_are_refused_without_a_warning(value):
    with pytest.raises(Rejection, match="implausible amplitude") as caught:
        prepared(ecg(edit(put(6, 100, -value))))
    assert caught.value.detail == f"{value:.3g} mV" and caught.value.measures["largest_mv"]


@pytest.mark.parametrize("missing", [("III",), ("I",), ("aVR", "aVF"), ("III", "aVR", "aVL", "aVF")])
def test_absent_limb_leads_are_computed_from_the_others(missing):
    rows = [LEADS.index(lead) for lead in missing]
    signal, measures = prepared(ecg(edit(put(rows, slice(None), np.nan)), missing=missing))
    np.testing.assert_allclose(signal, MV, atol=0.011)  # two counts of rounding
    assert measures["repairs"] == f"{' '.join(missing)} computed from the other limb leads"
    assert measures["blank_samples"] == 0
    with pytest.raises(Rejection, match="missing lead"):
        prepared(ecg(signal, missing=missing), max_missing_limb_leads=0)


def test_a_few_flat_chest_leads_are_kept_and_named():
    signal, measures = prepared(ecg(edit(put([7, 9, 11], slice(None), 0))))
    assert measures["flat_leads"] == "V2 V4 V6" and (signal[[7, 9, 11]] == 0).all()
    _, measures = prepared(ecg(edit(put(7, slice(2000, 2600), 0.4))))  # the electrode comes off for 1.2 s
    assert measures["flat_leads"] == "V2"


def test_the_device_s_own_verdict_is_named_and_rejects_on_demand():
    assert prepared(ecg(MV, poor_quality=True))[1]["poor_quality"] == "yes"
    with pytest.raises(Rejection, match="poor data quality by the device"):
        prepared(ecg(MV, poor_quality=True), reject_poor_quality=True)


def cut_off(signal):
    signal[8] = np.minimum(5 * signal[8], np.quantile(5 * signal[8], 0.95))


def white(signal):
    noise = np.random.default_rng(0).normal(0, 1, (8, 5000))
    one, two = noise[:2]
    signal[:] = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *noise[2:]]


@pytest.mark.parametrize(
    ("signal", "rate", "reason", "detail"),
    [
        (MV[:, :4999], 500, "record too short", "10 s of 10 s"),
        (edit(put(4, slice(None), 1.25)), 500, "flat lead", "aVL"),
        (edit(put(0, slice(1000, 1600), 0.1)), 500, "flat lead", "I"),
        (edit(put(slice(8, 12), slice(None), 0)), 500, "flat lead", "V3 V4 V5 V6"),
        (MV / 1000, 500, "flat lead", " ".join(LEADS)),
        (MV * 1000, 500, "implausible amplitude", ""),
        (edit(put(3, slice(0, 600), np.nan)), 500, "too many blank samples", "12% of aVR"),
        (MV * np.nan, 500, "too many blank samples", "100% of I"),
        (MV, 333.3, "unknown sampling rate", "333.3 Hz"),
        (edit(cut_off), 500, "saturated lead", " of V3"),
        (edit(lambda s: s.__setitem__(2, 2 * s[2])), 500, CONTRADICT, "III scaled by 2"),
        (edit(lambda s: s.__setitem__(3, -s[3])), 500, CONTRADICT, "aVR inverted"),
        (
            edit(lambda s: s.__setitem__([1, 2], s[[2, 1]])),
            500,
            CONTRADICT,
            "II and III swapped",
        ),
        (edit(white), 500, "too noisy", "dB"),
    ],
)
def test_unusable_records_are_rejected_with_their_measures(signal, rate, reason, detail):
    if rate != 500:
        signal = np.hstack([signal, signal])
    with pytest.raises(Rejection) as caught:
        prepared(ecg(signal, float(rate)))
    assert caught.value.reason == reason and detail in caught.value.detail
    assert caught.value.measures["samples"] == signal.shape[1]
    if reason not in ("record too short", "too many blank samples", "unknown sampling rate"):
        assert caught.value.measures["snr_db"] and caught.value.measures["largest_mv"]


def test_swapped_arm_electrodes_keep_the_law_and_are_only_hinted_at():
    """I changes its sign, II and III as well as aVR and aVL change places: still Einthoven's triangle."""
    signal = MV.copy()
    signal[11] = signal[0]  # I and V6 see the heart from the same side
    swapped = signal[[0, 2, 1, 4, 3, 5, *range(6, 12)]]
    swapped[0] *= -1
    assert prepared(ecg(signal))[1]["limb_leads"] == ""
    measures = prepared(ecg(swapped))[1]
    assert float(measures["einthoven_error"]) < 0.02 and measures["limb_leads"] == "I opposes V6"

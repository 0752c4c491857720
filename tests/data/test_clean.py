import numpy as np
import pytest
from data.raw_files import CLEAN, SHARED, counts
from scipy import sparse
from scipy.sparse.linalg import spsolve

from cmr2ecg.data.clean import LEAD_GROUPS, baseline, clean_ecg, flat_leads, prepare
from cmr2ecg.ukb.cardiosoft import Ecg
from cmr2ecg.ukb.rejection import Rejection

OPTIONS = {"clip_std": 4.0, "lam": 1e7, "p": 0.3, "iterations": 5}
GOLDEN = SHARED / "golden" / "reference.npz"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="golden/reference.npz is not there")


@needs_golden
def test_agrees_with_the_reference():
    golden = np.load(GOLDEN, allow_pickle=False)
    np.testing.assert_allclose(clean_ecg(golden["ecg_raw"], **OPTIONS), golden["ecg_clean"], atol=1e-7, rtol=0)
    options = {name: OPTIONS[name] for name in ("lam", "p", "iterations")}
    np.testing.assert_allclose(baseline(golden["als_in"], **options), golden["als_baseline"], atol=1e-7, rtol=0)


@pytest.mark.parametrize("iterations", [1, 3])
def test_baseline_is_eilers_and_boelens(iterations):
    lead = counts(3, 400)[0] * 0.005
    second = np.diff(np.eye(400), 2, axis=0)
    penalty = sparse.csc_matrix(1e4 * second.T @ second)
    weights = np.ones(400)
    for _ in range(iterations):
        expected = spsolve((sparse.diags(weights) + penalty).tocsc(), weights * lead)
        weights = np.where(lead > expected, 0.2, 0.8)
    np.testing.assert_allclose(baseline(lead, lam=1e4, p=0.2, iterations=iterations), expected, atol=1e-8)


def test_a_straight_line_is_its_own_baseline():
    line = np.linspace(-1, 2, 1000)
    np.testing.assert_allclose(baseline(line, lam=1e7, p=0.3, iterations=5), line, atol=1e-6)


def test_each_lead_group_has_unit_variance_and_amplitudes_within_it_keep_their_ratio():
    signal = counts(0) * 0.005
    clean = clean_ecg(signal, **OPTIONS)
    for group in LEAD_GROUPS:
        assert clean[group].mean() == pytest.approx(0, abs=1e-9)
        assert clean[group].std() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(clean_ecg(signal * 7, **OPTIONS), clean, atol=1e-6)


@pytest.mark.parametrize("hertz", [0.1, 0.2, 0.3])
def test_wander_is_taken_out_by_35_db(hertz):
    """0.5 mV of wander changes the corrected trace by 35 dB less than itself."""
    signal = counts(0)[1] * 0.005
    wander = 0.5 * np.sin(2 * np.pi * hertz * np.arange(5000) / 500)
    options = {name: OPTIONS[name] for name in ("lam", "p", "iterations")}
    without, with_it = (trace - baseline(trace, **options) for trace in (signal, signal + wander))
    assert 20 * np.log10(wander.std() / (with_it - without).std()) > 35


def test_outliers_are_clamped_to_4_std_of_the_whole_record():
    signal = counts(0) * 0.005
    signal[3, 100], signal[4, 200] = 1e4, np.nan
    clamped = np.clip(np.nan_to_num(signal), None, 4 * np.nan_to_num(signal).std())
    np.testing.assert_allclose(
        clean_ecg(signal, **OPTIONS), clean_ecg(clamped, **{**OPTIONS, "clip_std": 1e9}), atol=1e-6
    )


def ecg(signal, rate=500.0):
    return Ecg(np.asarray(signal, float), rate, 5.0)


def prepared(record):
    return prepare(record, CLEAN["sampling_rate_hz"], CLEAN["samples"])


def test_another_rate_is_resampled_and_a_long_record_keeps_its_start():
    time = np.arange(10_000) / 1000
    fast = np.tile(np.sin(2 * np.pi * 3 * time), (12, 1))
    result = prepared(ecg(fast, 1000.0))
    assert result.shape == (12, 5000)
    np.testing.assert_allclose(result[:, 50:-50], fast[:, ::2][:, 50:-50], atol=1e-3)
    long = counts(0, 6000) * 0.005
    np.testing.assert_array_equal(prepared(ecg(long)), long[:, :5000])


def test_blank_cells_become_zero():
    signal = counts(0) * 0.005
    signal[2, 10:20] = np.nan
    assert (prepared(ecg(signal))[2, 10:20] == 0).all()


def test_a_few_flat_chest_leads_are_kept_and_named():
    signal = counts(0) * 0.005
    signal[[7, 9, 11]] = 0
    kept = prepared(ecg(signal))
    assert flat_leads(kept, 5.0) == ["V2", "V4", "V6"]
    clean = clean_ecg(kept, **OPTIONS)
    assert np.isfinite(clean).all() and clean[6:].std() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "rate", "reason"),
    [
        (lambda s: s[:, :4999], 500, "record too short"),
        (lambda s: np.where(np.arange(12)[:, None] == 4, 1.25, s), 500, "flat lead"),
        (lambda s: np.where(np.arange(12)[:, None] >= 8, 0, s), 500, "flat lead"),
        (lambda s: np.where(np.arange(5000) < 600, np.nan, s), 500, "too many blank samples"),
        (lambda s: s * np.nan, 500, "too many blank samples"),
        (lambda s: s, 333.3, "unknown sampling rate"),
    ],
)
def test_unusable_records_are_rejected(change, rate, reason):
    with pytest.raises(Rejection, match=reason):
        prepared(ecg(change(counts(0) * 0.005), float(rate)))

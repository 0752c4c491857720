import numpy as np
import pytest
from cohort.raw_files import CLEAN, SHARED, counts
from scipy import sparse
from scipy.sparse.linalg import spsolve

from cmr2ecg.ecg.clean import LEAD_GROUPS, baseline, clean_ecg

OPTIONS = dict(CLEAN.baseline)  # the authors' values
GOLDEN = SHARED / "golden" / "reference.npz"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="golden/reference.npz is not there")


def cleaned(signal, **options):
    return clean_ecg(signal, **{"clip_std": CLEAN.clip_std, **OPTIONS, **options})


@needs_golden
def test_agrees_with_the_reference():
    golden = np.load(GOLDEN, allow_pickle=False)
    np.testing.assert_allclose(cleaned(golden["ecg_raw"]), golden["ecg_clean"], atol=1e-7, rtol=0)
    np.testing.assert_allclose(baseline(golden["als_in"], **OPTIONS), golden["als_baseline"], atol=1e-7, rtol=0)


def whittaker(lead, weights, lam):
    """Solve (W + lam D'D) z = W y with a general solver."""
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(lead.size - 2, lead.size))
    return spsolve(sparse.csc_matrix(sparse.diags_array(weights) + lam * (second.T @ second)), weights * lead)


@pytest.mark.parametrize("iterations", [1, 3])
def test_asls_is_eilers_and_boelens(iterations):
    lead = counts(3, 400)[0] * 0.005
    weights = np.ones(400)
    for _ in range(iterations):
        expected = whittaker(lead, weights, 1e4)
        weights = np.where(lead > expected, 0.2, 0.8)
    found = baseline(lead, method="asls", lam=1e4, p=0.2, iterations=iterations)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_airpls_is_zhang(iterations):
    """Weights 0 above and exp(t |d| / sum |d|) below the baseline, until that sum is 0.1 % of the signal's."""
    lead = counts(3, 400)[0] * 0.005
    weights = np.ones(400)
    for turn in range(1, iterations + 1):
        expected = whittaker(lead, weights, 1e4)
        distance = lead - expected
        below = distance < 0
        total = np.abs(distance[below]).sum()
        if total < 1e-3 * np.abs(lead).sum():
            break
        weights = np.where(below, np.exp(turn * np.abs(distance) / total), 0)
    found = baseline(lead, method="airpls", lam=1e4, p=0.3, iterations=iterations)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_leads_are_smoothed_one_by_one():
    leads = counts(3, 2000) * 0.005
    for lead, curve in zip(leads, baseline(leads, **OPTIONS), strict=True):
        np.testing.assert_array_equal(baseline(lead, **OPTIONS), curve)


def test_more_iterations_change_nothing_once_no_sample_changes_sides():
    leads = counts(3, 400) * 0.005
    settled = baseline(leads, **{**OPTIONS, "iterations": 60})
    np.testing.assert_array_equal(baseline(leads, **{**OPTIONS, "iterations": 90}), settled)


def test_an_impossible_asymmetry_is_an_error():
    with pytest.raises(ValueError, match="between 0 and 1"):
        baseline(np.zeros(50), **{**OPTIONS, "p": 1.0})


def test_airpls_goes_through_the_same_cleaning():
    signal = counts(0) * 0.005
    clean = cleaned(signal, method="airpls")
    assert clean[:3].std() == pytest.approx(1, rel=1e-6)
    assert np.isfinite(clean).all() and not np.allclose(clean, cleaned(signal), atol=0.1)


@pytest.mark.parametrize("method", ["asls", "airpls"])
def test_a_straight_line_is_its_own_baseline(method):
    line = np.linspace(-1, 2, 1000)
    np.testing.assert_allclose(baseline(line, **{**OPTIONS, "method": method}), line, atol=1e-5)


def test_each_lead_group_has_unit_variance_and_amplitudes_within_it_keep_their_ratio():
    signal = counts(0) * 0.005
    clean = cleaned(signal)
    for group in LEAD_GROUPS:
        assert clean[group].mean() == pytest.approx(0, abs=1e-9)
        assert clean[group].std() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(cleaned(signal * 7), clean, atol=1e-6)


@pytest.mark.parametrize("hertz", [0.1, 0.2, 0.3])
def test_wander_is_taken_out_by_35_db(hertz):
    """0.5 mV of wander changes the corrected trace by 35 dB less than itself."""
    signal = counts(0)[1] * 0.005
    wander = 0.5 * np.sin(2 * np.pi * hertz * np.arange(5000) / 500)
    without, with_it = (trace - baseline(trace, **OPTIONS) for trace in (signal, signal + wander))
    assert 20 * np.log10(wander.std() / (with_it - without).std()) > 35


def test_outliers_are_clamped_to_4_std_of_the_whole_record():
    signal = counts(0) * 0.005
    signal[3, 100], signal[4, 200] = 1e4, np.nan
    clamped = np.clip(np.nan_to_num(signal), None, 4 * np.nan_to_num(signal).std())
    np.testing.assert_allclose(cleaned(signal), cleaned(clamped, clip_std=1e9), atol=1e-6)

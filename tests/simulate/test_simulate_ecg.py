import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from cmr2ecg.simulate.disease import calibrate
from cmr2ecg.simulate.ecg import DOWER, beat_times, draw_ecg, with_derived_leads
from cmr2ecg.simulate.ecg_traits import ecg_traits
from cmr2ecg.simulate.heart import LATENTS, heart_from_latents

THRESHOLD = calibrate(0.07, 0.03, 0.04).af_threshold


def traits_of(seed, **changes):
    z = np.random.default_rng(seed).standard_normal(len(LATENTS))
    for name, value in changes.items():
        z[LATENTS.index(name)] = value
    return ecg_traits(heart_from_latents(z, THRESHOLD), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def people():
    return [traits_of(seed) for seed in range(400)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_limb_leads_obey_einthoven_and_goldberger_in_counts(seed):
    counts = np.random.default_rng(seed).integers(-4000, 4000, (8, 50)).astype(np.int32)
    one, two, three, avr, avl, avf = with_derived_leads(counts)[:6]
    np.testing.assert_array_equal(three, two - one)
    assert np.abs(avr + (one + two) / 2).max() <= 0.5
    assert np.abs(avl - (one - three) / 2).max() <= 0.5
    assert np.abs(avf - (two + three) / 2).max() <= 0.5


def test_a_record_is_10_s_of_12_leads_in_counts():
    counts = draw_ecg(traits_of(0), np.random.default_rng(0))
    assert counts.shape == (12, 5000)
    assert counts.dtype == np.int32
    assert 100 < np.abs(counts).max() < 2000  # 0.5 to 10 mV
    np.testing.assert_array_equal(counts[2], counts[1] - counts[0])


def test_same_stream_same_record():
    first, again = (draw_ecg(traits_of(3), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("trait", "low", "high", "middle"),
    [
        ("rate", 38, 130, (58, 68)),
        ("pr_ms", 110, 300, (155, 175)),
        ("qrs_ms", 70, 180, (84, 98)),
        ("qt_ms", 310, 520, (395, 430)),
        ("axis_degrees", -110, 180, (20, 60)),
    ],
)
def test_rates_and_intervals_are_those_of_people(people, trait, low, high, middle):
    values = np.array([getattr(person, trait) for person in people])
    assert low <= values.min() and values.max() <= high
    assert middle[0] < np.median(values) < middle[1]


def r_peaks(counts):
    """Find beats by the slope of all chest leads, with no knowledge of how they were made."""
    slope = np.sqrt((np.diff(counts[6:].astype(float), axis=1) ** 2).sum(0))
    slope = np.convolve(slope, np.ones(25) / 25, "same")
    return find_peaks(slope, height=0.4 * slope.max(), distance=150)[0]


def test_beats_seen_in_the_leads_have_the_wanted_rate():
    for seed in range(8):
        traits = traits_of(seed)
        peaks = r_peaks(draw_ecg(traits, np.random.default_rng(seed)))
        assert 60 * 500 / np.diff(peaks).mean() == pytest.approx(traits.rate, rel=0.12)


def test_fibrillation_is_irregular_and_has_no_p_wave():
    sinus, fibrillation = traits_of(1, rhythm=-3.0), traits_of(1, rhythm=6.0)
    assert fibrillation.af and not sinus.af
    spread = {}
    for traits in (sinus, fibrillation):
        gaps = beat_times(traits, 60.0, np.random.default_rng(0))[1]
        spread[traits.af] = gaps.std() / gaps.mean()
        assert gaps.min() > 0.3
    assert spread[True] > 0.12 > 0.08 > spread[False]
    before = [bump for bump in fibrillation.bumps if bump.centre_s < -0.06]
    assert not before
    assert [bump for bump in sinus.bumps if bump.centre_s < -0.06]


def test_a_heavy_ventricle_gives_more_voltage_and_strain():
    light, heavy = ([traits_of(s, lv_mass=m, lv_size=0.0) for s in range(30)] for m in (-2.0, 2.5))
    size = [[np.linalg.norm(p.bumps[3 - 2 * p.af].vector) for p in group] for group in (light, heavy)]
    assert np.mean(size[1]) > 1.1 * np.mean(size[0])
    assert np.mean([p.strain for p in heavy]) > 0.15 + np.mean([p.strain for p in light])


def test_leads_see_the_axes_as_they_should():
    """Leftward currents lift I and V6, downward ones II, backward ones sink V2."""
    lead = dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), DOWER, strict=True))
    assert lead["I"][0] > 0.5 and lead["V6"][0] > 0.5
    assert lead["II"][1] > 1
    assert lead["V2"][2] < -1

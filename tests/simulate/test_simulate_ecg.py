from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from cmr2ecg.simulate.disease import calibrate
from cmr2ecg.simulate.ecg import DOWER, beat_times, draw_ecg, with_derived_leads
from cmr2ecg.simulate.ecg_traits import ecg_traits
from cmr2ecg.simulate.electrical import ELECTRICAL, with_electrical
from cmr2ecg.simulate.heart import LATENTS, heart_from_latents

STILL = (0.0,) * len(ELECTRICAL)
THRESHOLD, INFARCT = calibrate(0.07, 0.03, 0.04).af_threshold, 1.28


def traits_of(seed, electrical=STILL, **changes):
    z = np.random.default_rng(seed).standard_normal(len(LATENTS))
    for name, value in changes.items():
        z[LATENTS.index(name)] = value
    return ecg_traits(heart_from_latents(z, THRESHOLD, INFARCT), np.array(electrical), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def people():
    electrical = np.random.default_rng(0).standard_normal((400, len(ELECTRICAL)))
    return [traits_of(seed, electrical[seed]) for seed in range(400)]


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


@pytest.mark.parametrize(
    ("latent", "trait", "least"),
    [
        ("conduction", "qrs_ms", 20),
        ("conduction", "pr_ms", 25),
        ("repolarisation", "qt_ms", 25),
        ("atrial", "pr_ms", 25),
        ("atrial", "premature", 0.05),
        ("autonomic", "qt_ms", 15),
        ("autonomic", "variability", -4.0),
    ],
)
def test_electricity_shows_in_the_ecg(latent, trait, least):
    """From -2 to 2 standard deviations, with everything else the same."""
    low, high = (
        np.mean(
            [
                getattr(traits_of(s, [size * (name == latent) for name in ELECTRICAL], rhythm=-3.0), trait)
                for s in range(20)
            ]
        )
        for size in (-2, 2)
    )
    assert (high - low) * np.sign(least) > 0.5 * abs(least)


def test_chances_keep_their_spread_whatever_electricity_explains():
    rng = np.random.default_rng(1)
    names = ("qrs", "pr", "axis", "qt", "t", "t_turn", "strain", "p", "voltage")
    mixed = [
        with_electrical(
            dict(zip(names, rng.standard_normal(len(names)), strict=True)),
            dict(zip(ELECTRICAL, rng.standard_normal(len(ELECTRICAL)), strict=True)),
        )
        for _ in range(5000)
    ]
    spread = np.array([list(one.values()) for one in mixed]).std(0)
    np.testing.assert_allclose(spread, 1, atol=0.05)


def test_premature_beats_come_early_and_a_pause_follows():
    early = replace(traits_of(1, rhythm=-3.0), premature=0.1, variability=0.01)
    gaps = beat_times(early, 300.0, np.random.default_rng(0))[1] * early.rate / 60
    first = np.flatnonzero(gaps < 0.8)
    assert 0.06 < len(first) / len(gaps) < 0.14
    after = gaps[first[first + 1 < len(gaps)] + 1]
    assert np.median(after) == pytest.approx(1.2, abs=0.02)


@pytest.mark.parametrize(("territory", "lead"), [(0.0, "V6"), (0.0, "I"), (np.pi / 2, "V3"), (3 * np.pi / 2, "III")])
def test_an_infarct_takes_away_from_the_leads_that_face_it(territory, lead):
    """Lateral, anterior and inferior: the first 40 ms of the QRS turn away from the wall (a Q wave), and so does T."""
    row = DERIVED[lead]
    for part in (slice(-6, -4), slice(-2, None)):  # of the bumps: septum and free wall; T
        moved = []
        for size in (-3.0, 2.5):
            traits = traits_of(5, ischaemia=size, territory=normal_quantile(territory), rhythm=-3.0)
            moved.append(row @ sum(bump.vector for bump in traits.bumps[part]))
        assert moved[1] < moved[0] - 0.2


def normal_quantile(angle):
    return NormalDist().inv_cdf(np.clip(angle / (2 * np.pi), 1e-3, 1 - 1e-3))


LEAD = dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), DOWER, strict=True))
DERIVED = LEAD | {"III": LEAD["II"] - LEAD["I"]}


def test_leads_see_the_axes_as_they_should():
    """Leftward currents lift I and V6, downward ones II, backward ones sink V2."""
    assert LEAD["I"][0] > 0.5 and LEAD["V6"][0] > 0.5
    assert LEAD["II"][1] > 1
    assert LEAD["V2"][2] < -1

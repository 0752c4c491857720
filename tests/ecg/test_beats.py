import numpy as np
import pytest
from paper_settings import altered

from cmr2ecg.ecg.beats import find_beats, heart_rate
from cmr2ecg.simulate.ecg import beat_times, draw_ecg
from cmr2ecg.simulate.subject import draw_subject
from cmr2ecg.study.settings.cohort import SimulateCohort

RATE = 500


def record(times, *, seconds=10.0, width=0.012, noise=0.0, seed=0):
    """Twelve leads of R, T and wander; half of them upside down."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    lead = sum(
        np.exp(-0.5 * ((time - t) / width) ** 2) + 0.3 * np.exp(-0.5 * ((time - t - 0.3) / 0.05) ** 2) for t in times
    )
    size = rng.uniform(0.3, 1.5, (12, 1)) * np.where(np.arange(12) % 2, -1, 1)[:, None]
    return size * lead + 0.4 * np.sin(2 * np.pi * 0.3 * time) + noise * rng.standard_normal((12, time.size))


@pytest.mark.parametrize("bpm", [32, 60, 75, 110, 170, 215])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_regular_beats_are_found_where_they_are(bpm, noise):
    times = np.arange(0.2, 9.8, 60 / bpm)
    beats = find_beats(record(times, noise=noise), RATE)
    assert beats.size == times.size
    np.testing.assert_allclose(beats / RATE, times, atol=0.02)
    assert heart_rate(beats, RATE) == pytest.approx(bpm, rel=0.01)


def test_irregular_beats_are_found():
    times = np.cumsum([0.4, 0.9, 0.5, 1.3, 0.7, 0.45, 1.1, 0.8, 0.6, 1.0, 0.9, 0.5])
    beats = find_beats(record(times), RATE)
    np.testing.assert_allclose(beats / RATE, times, atol=0.02)


def test_artefacts_in_a_few_leads_are_no_beats():
    times = np.arange(0.3, 9.8, 0.8)
    signal = record(times)
    rng = np.random.default_rng(1)
    signal[[2, 7]] += 5 * (np.cumsum(rng.standard_normal((2, 5000)) * (rng.random((2, 5000)) < 0.01), axis=1))
    signal[4] = 0
    beats = find_beats(signal, RATE)
    assert beats.size == times.size


def test_no_beats_in_silence():
    assert find_beats(np.zeros((12, 5000)), RATE).size == 0
    assert np.isnan(heart_rate(np.zeros(0, int), RATE)) and np.isnan(heart_rate(np.array([7]), RATE))


def test_every_beat_of_the_synthetic_cohort_is_found():
    """The truth of simulated records: the rate within 1 beat a minute in 19 of 20."""
    settings = altered(SimulateCohort(), frames=4, slices=4, matrix=32)
    close = 0
    for index in range(20):
        traits = draw_subject(settings, index).traits
        counts = draw_ecg(traits, np.random.default_rng(index))
        truth, _ = beat_times(traits, 4999 / 500, np.random.default_rng(index))
        truth = truth[(truth > 0.05) & (truth < 9.95)]
        beats = find_beats(counts * 0.005, RATE)
        close += abs(heart_rate(beats, RATE) - 60 * (truth.size - 1) / (truth[-1] - truth[0])) < 1
    assert close >= 19

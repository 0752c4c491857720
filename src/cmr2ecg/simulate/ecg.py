"""A resting 12-lead ECG from a person's traits: beats of a moving dipole, seen by the leads, with noise.

The dipole is a sum of Gaussians (McSharry et al. 2003, IEEE Trans Biomed Eng 50:289, in three dimensions); the leads
see it through Dower's matrix (Dower, Machado, Osborne 1980, Clin Cardiol 3:87).
"""

import numpy as np

from cmr2ecg.simulate.ecg_traits import Bump, EcgTraits

# I, II, V1..V6 from Frank's x (left), y (feet), z (back)
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
MAINS_HZ = 50.0


def draw_ecg(
    traits: EcgTraits,
    rng: np.random.Generator,
    *,
    samples: int = 5000,
    sampling_rate_hz: int = 500,
    resolution_uv: float = 5.0,
) -> np.ndarray:
    """Return (12, samples) int32 ADC counts in the order I II III aVR aVL aVF V1..V6.

    III, aVR, aVL and aVF are formed from I and II in counts, as in the recorder.
    """
    time = np.arange(samples) / sampling_rate_hz
    beats, intervals = beat_times(traits, time[-1], rng)
    dipole = _dipole(traits, time, beats, intervals, rng)
    leads = DOWER * (1 + 0.1 * rng.standard_normal(DOWER.shape))  # electrodes are never placed exactly
    signal = leads @ dipole + _noise(time, len(DOWER), rng)
    return with_derived_leads(np.rint(signal * 1000 / resolution_uv).astype(np.int32))


def with_derived_leads(counts: np.ndarray) -> np.ndarray:
    """Return 12 leads from (8, samples) counts of I, II, V1..V6: Einthoven and Goldberger, rounded to counts."""
    one, two, chest = counts[0], counts[1], counts[2:]
    three = two - one
    augmented = [-(one + two) / 2, (one - three) / 2, (two + three) / 2]
    return np.vstack([one, two, three, *np.rint(augmented).astype(np.int32), chest])


def beat_times(traits: EcgTraits, duration_s: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return times of the R peaks and the interval before each, in seconds, from before 0 to after `duration_s`.

    A sinus rhythm breathes (respiratory arrhythmia) and drifts, and premature atrial beats reset it; fibrillation has
    independent, highly variable intervals.
    """
    mean = 60 / traits.rate
    count = int(duration_s / mean * 2) + 6
    if traits.af:
        intervals = mean * np.exp(0.2 * rng.standard_normal(count) - 0.02)
    else:
        depth, breaths = rng.uniform(0.005, 0.04), rng.uniform(0.2, 0.3)
        phase = 2 * np.pi * (breaths * mean * np.arange(count) + rng.random())
        drift = np.cumsum(0.006 * rng.standard_normal(count))
        swing = depth * np.sin(phase) + drift - drift.mean() + 0.006 * rng.standard_normal(count)
        intervals = mean * (1 + traits.variability * swing)
        early = rng.random(count) < traits.premature
        intervals = intervals * np.where(early, 0.65, 1.0)
        intervals[1:] *= np.where(early[:-1], 1.2, 1.0)  # an incomplete compensatory pause
    intervals = np.maximum(intervals, 0.33)
    beats = np.cumsum(intervals) - intervals[0] - mean * rng.uniform(0, 1)
    keep = beats < duration_s + mean
    return beats[keep], intervals[keep]


def _dipole(
    traits: EcgTraits, time: np.ndarray, beats: np.ndarray, intervals: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Path of the dipole, (3, samples) mV."""
    breath = 1 + 0.03 * np.sin(2 * np.pi * (0.25 * beats + rng.random()))
    size = breath * np.exp(0.01 * rng.standard_normal(len(beats)))
    lag = 0.154 * (intervals - 60 / traits.rate)  # QT follows the interval before it
    path = np.zeros((3, len(time)))
    for bump in traits.bumps:
        path += bump.vector[:, None] * _train(bump, time, beats, size, lag)
    return path + _fibrillation(time, rng) if traits.af else path


def _train(bump: Bump, time: np.ndarray, beats: np.ndarray, size: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """One bump in every beat, (samples,)."""
    centres = beats + bump.centre_s + (np.clip(lag, -0.06, 0.06) if bump.of_t_wave else 0)
    away = (time[None, :] - centres[:, None]) / bump.width_s
    return size @ np.exp(-0.5 * away**2)


def _fibrillation(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fibrillatory waves of 5 to 8 Hz that swell and wander, largest towards V1."""
    rate = rng.uniform(5.2, 7.5)
    path = np.zeros((3, len(time)))
    for harmonic, share in ((1, 1.0), (2, 0.35)):
        sway = 0.6 * np.sin(2 * np.pi * (rng.uniform(0.2, 0.5) * time + rng.random()))
        swell = 1 + 0.35 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.4) * time + rng.random()))
        phase = 2 * np.pi * rng.random(3)[:, None]
        path += share * swell * np.sin(2 * np.pi * harmonic * rate * time + sway + phase)
    return path * rng.uniform(0.5, 1.2) * np.array([0.025, 0.035, 0.05])[:, None]


def _noise(time: np.ndarray, leads: int, rng: np.random.Generator) -> np.ndarray:
    """Wander, mains hum and muscle noise, (leads, samples) mV; about one record in ten is of poor quality."""
    poor = 2.5 if rng.random() < 0.1 else 1.0
    wander = np.zeros((leads, len(time)))
    for frequency in (rng.uniform(0.04, 0.12), rng.uniform(0.12, 0.22), rng.uniform(0.22, 0.35)):
        phase = 2 * np.pi * (frequency * time + rng.random())
        wander += poor * 0.05 * rng.standard_normal((leads, 1)) * np.sin(phase + 0.4 * rng.standard_normal((leads, 1)))
    hum = poor * 0.004 * rng.exponential(size=(leads, 1)) * np.sin(2 * np.pi * MAINS_HZ * time)
    white = rng.standard_normal((leads, len(time) + 2))
    muscle = (white[:, :-2] + white[:, 1:-1] + white[:, 2:]) / np.sqrt(3)  # the recorder's low pass of 100 Hz
    return wander + hum + poor * rng.uniform(0.004, 0.012) * muscle

"""Made-up ECGs to try a release's networks on."""

import numpy as np
from numpy.typing import NDArray


def example(samples: int) -> NDArray[np.float32]:
    """Return two made-up cleaned ECGs (2, 12, samples) to try a network on: noise around beats, unit variance."""
    rng = np.random.default_rng(0)
    beats = np.cos(np.arange(samples) * 2 * np.pi / 400) ** 20
    return (beats + rng.normal(0, 0.3, (2, 12, samples))).astype(np.float32)


def example_record(samples: int) -> NDArray[np.float32]:
    """Return one made-up ECG (1, 12, samples) in mV, with limb leads that agree (Einthoven, Goldberger)."""
    ecg = example(samples)[:1]
    one, two = ecg[:, 0], ecg[:, 1]
    ecg[:, 2:6] = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    return ecg

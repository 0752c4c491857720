"""Holm's correction against published values."""

import numpy as np

from cmr2ecg.metrics.multireader import holm


def test_holm_is_the_published_step_down():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, np.nan, 0.6])), [1, np.nan, 1])
    assert holm(np.array([])).size == 0

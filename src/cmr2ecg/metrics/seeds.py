"""The standard deviation of a number over the seeds of a training; light to import, for `cmr2ecg predict`."""

import numpy as np
from numpy.typing import NDArray


def std_over_seeds(values: NDArray) -> NDArray[np.float64]:
    """Return the sample standard deviation (ddof=1) of values (seeds, ...) over the seeds, NaN for a single one."""
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)

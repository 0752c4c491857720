"""P-values of several comparisons, corrected for their number."""

import numpy as np
from numpy.typing import NDArray


def holm(p_values: NDArray) -> NDArray[np.float64]:
    """Return p-values (m,) corrected for making m comparisons; NaN stays NaN and is not counted.

    Reference: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    p_values = np.asarray(p_values, np.float64)
    corrected = np.full(p_values.shape, np.nan)
    order = [index for index in np.argsort(p_values) if not np.isnan(p_values[index])]
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - position) * p_values[index]))
        corrected[index] = largest
    return corrected

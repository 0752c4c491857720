"""Lengths in a short-axis image: millimetres to pixels."""

import numpy as np

Spacing = tuple[float, float]  # millimetres between rows, between columns


def in_pixels(length_mm: float, spacing_mm: Spacing) -> list[float]:
    """Return a length in rows and in columns."""
    return [length_mm / step for step in spacing_mm]


def bell(shape: tuple[int, ...], spacing_mm: Spacing, centre: np.ndarray, width_mm: float) -> np.ndarray:
    """Return a Gaussian (rows, columns) of height 1 about `centre` (pixels) with standard deviation `width_mm`."""
    down, right = (
        np.exp(-0.5 * ((np.arange(size) - middle) * step / width_mm) ** 2).astype(np.float32)
        for size, middle, step in zip(shape, centre, spacing_mm, strict=True)
    )
    return down[:, None] * right[None, :]

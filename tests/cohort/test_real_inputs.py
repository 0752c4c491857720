"""Real anatomy passes the data stages."""

import numpy as np
import pytest
from cohort.raw_files import CROP
from ecg.real_files import (
    SAX_FOLDER,
    SAX_SPACING_MM,
    real_cine,
    real_slice,
)

from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.steps.crop_cmr import crop_file

SLICES = 14
needs_sax = pytest.mark.skipif(not SAX_FOLDER.is_dir(), reason="../shared/data/sax_png is not there")


def inside(box: tuple[float, float, float, float], mask: np.ndarray) -> bool:
    return margin_mm(box, mask) >= 0


def margin_mm(box: tuple[float, float, float, float], mask: np.ndarray) -> float:
    """How far the mask lies within the box."""
    low, high = np.array(box[:2]), np.array(box[:2]) + box[2:]
    points = np.argwhere(mask)
    return float(min((points - low).min(), (high - points - 1).min())) * SAX_SPACING_MM


@needs_sax
def test_a_real_stack_passes_and_the_ventricle_is_inside_the_crop(tmp_path):
    path = tmp_path / "real.zip"
    volume = np.stack([real_cine(index, frames=12) for index in range(SLICES)])
    write_sax_zip(path, volume, pixel_spacing_mm=SAX_SPACING_MM, seed=1, compresslevel=0)
    row, measures = crop_file((path, "", None), CROP)
    assert (row["slice"], measures["slices"], row["cmr"].shape) == (7, SLICES, (3, 210, 210))
    assert inside(row["box"], real_slice(7)[2])
    assert row["frames"][1] in (11, 0, 1) and row["frames"][0] in (5, 6, 7)


@needs_sax
@pytest.mark.parametrize("index", range(2, 14))
def test_the_ventricle_is_inside_the_crop_on_mid_ventricular_and_apical_slices(index):
    cine = Cine(real_cine(index), (SAX_SPACING_MM, SAX_SPACING_MM), index, SLICES, 0)
    image = crop_heart(cine, size=210, box_mm=142.0)
    mask = real_slice(index)[2]
    assert margin_mm(image.box, mask) >= 15
    off = np.hypot(*(np.argwhere(mask).mean(axis=0) - image.centre)) * SAX_SPACING_MM
    assert off < 8

"""Real anatomy and real ECGs pass the data stages."""

import numpy as np
import pytest
from data.raw_files import CLEAN, CROP
from data.real_files import (
    ECG_FOLDER,
    SAX_FOLDER,
    SAX_SPACING_MM,
    as_cardiosoft,
    real_cine,
    real_records,
    real_slice,
)

from cmr2ecg.data.clean import LEAD_GROUPS
from cmr2ecg.data.crop import crop_heart
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.steps.clean_ecg import clean_file
from cmr2ecg.steps.crop_cmr import crop_file
from cmr2ecg.ukb.short_axis import Cine

SLICES = 14
needs_ecg = pytest.mark.skipif(not ECG_FOLDER.is_dir(), reason="../shared/data/ecg_wfdb is not there")
needs_sax = pytest.mark.skipif(not SAX_FOLDER.is_dir(), reason="../shared/data/sax_png is not there")


@needs_ecg
def test_twenty_real_ecgs_are_cleaned_without_a_rejection(tmp_path):
    records = real_records()
    assert len(records) == 20
    for number, record in enumerate(records):
        path = tmp_path / f"{9_000_001 + number}_20205_2_0.xml"
        path.write_bytes(as_cardiosoft(record))
        row, _ = clean_file(path, **CLEAN)
        assert row["ecg"].shape == (12, 5000) and np.isfinite(row["ecg"]).all()
        for group in LEAD_GROUPS:
            assert row["ecg"][group].std() == pytest.approx(1, rel=1e-6)
        # wander holds up to 55 % of the power of these records; what is left below 0.35 Hz belongs to irregular beats
        power = np.abs(np.fft.rfft(row["ecg"], axis=1)[:, 1:]) ** 2
        assert power[:, :3].sum() / power.sum() < 0.03


def inside(box: tuple[float, float, float, float], mask: np.ndarray) -> bool:
    points = np.argwhere(mask)
    low, high = np.array(box[:2]), np.array(box[:2]) + box[2:]
    return bool((points >= low).all() and (points + 1 <= high).all())


@needs_sax
def test_a_real_stack_passes_and_the_ventricle_is_inside_the_crop(tmp_path):
    path = tmp_path / "real.zip"
    volume = np.stack([real_cine(index, frames=12) for index in range(SLICES)])
    write_sax_zip(path, volume, pixel_spacing_mm=SAX_SPACING_MM, seed=1, compresslevel=0)
    row, measures = crop_file(path, **CROP)
    assert (row["slice"], measures["slices"], row["cmr"].shape) == (7, SLICES, (3, 210, 210))
    assert inside(row["box"], real_slice(7)[2])
    assert row["frames"][1] in (11, 0, 1) and row["frames"][0] in (5, 6, 7)


@needs_sax
@pytest.mark.parametrize("index", range(3, 12))
def test_the_ventricle_is_inside_the_crop_on_mid_ventricular_slices(index):
    cine = Cine(real_cine(index), (SAX_SPACING_MM, SAX_SPACING_MM), index, SLICES, 0)
    image = crop_heart(cine, size=210, box_mm=142.0)
    mask = real_slice(index)[2]
    assert inside(image.box, mask)
    off = np.hypot(*(np.argwhere(mask).mean(axis=0) - image.centre)) * SAX_SPACING_MM
    assert off < 8

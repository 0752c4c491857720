"""Where the left ventricle and an infarct lie on a map: discs, sectors, masks, segmentations."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from paper_settings import altered

from cmr2ecg.cmr.dicom import Header
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.report.maps import ventricle
from cmr2ecg.simulate.subject import draw_subject, truth_of
from cmr2ecg.study.settings.cohort import SimulateCohort


def disc(box, centre, radius, grid):
    return ventricle.sector_coverage(box, centre, (0.0, radius), ventricle.WHOLE, grid)


def test_disc_lies_where_the_box_puts_it():
    box = np.array([10.0, 20.0, 40.0, 40.0])
    cover = disc(box, (29.5, 39.5), 8.0, (20, 20))  # the box's middle is the edge of pixel 30, 40
    assert cover.sum() * 4 == pytest.approx(np.pi * 64, rel=0.01)  # a place has 2 x 2 pixels
    np.testing.assert_allclose(cover, cover[::-1, ::-1])
    assert cover[9, 9] == 1 and cover[0, 0] == 0
    low = disc(box, (49.5, 20.5), 4.0, (4, 4))
    assert low.argmax() == 12  # below left: a large row and a small column


def test_sectors_of_a_ring_turn_counter_clockwise_and_fill_it():
    box, ring = np.array([10.0, 20.0, 40.0, 40.0]), ((29.5, 39.5), (8.0, 16.0))
    parts = [ventricle.sector_coverage(box, *ring, (first, first + 60), (40, 40)) for first in range(30, 390, 60)]
    whole = ventricle.sector_coverage(box, *ring, ventricle.WHOLE, (40, 40))
    np.testing.assert_allclose(sum(parts), whole)
    assert whole.sum() == pytest.approx(np.pi * (16**2 - 8**2), rel=0.005)
    rows, columns = np.mgrid[:40, :40] - 19.5
    for number, part in enumerate(parts):  # middles at 60, 120 ... degrees: up right, up left ...
        across, up = ((part * place).sum() / part.sum() for place in (columns, -rows))
        assert (np.rad2deg(np.arctan2(up, across)) - 30) % 360 == pytest.approx(30 + 60 * number, abs=1)


def test_a_sector_is_not_lost_on_a_coarse_map():
    box = np.array([0.0, 0.0, 147.0, 147.0])  # mm; a wall of 4 mm
    for grid in ((1, 1), (2, 2), (3, 3), (8, 8)):
        cover = ventricle.sector_coverage(box, (70, 75), (28, 32), (60, 120), grid)
        area = cover.sum() * 147**2 / np.prod(grid)
        assert area == pytest.approx(np.pi * (32**2 - 28**2) / 6, rel=0.15)


def test_the_planted_infarct_is_the_bright_part_of_the_myocardium():
    """Painted 1.4 times as bright, less what blood, fat and papillary muscles add to either; carried by the box."""
    settings = altered(SimulateCohort(), frames=4, slices=6, matrix=96, field_of_view_mm=210, infarct=1.0)
    box, ratios = np.array([14.0, 14.0, 67.0, 67.0]), []
    for index in range(4):
        subject = draw_subject(settings, index)
        row = pd.DataFrame([truth_of(subject)])
        visits = pd.DataFrame({"eid": row["eid"], "instance": 2})
        places = {int(row.loc[0, "eid"]): (box, np.zeros(3))}
        ((infarct, remote),) = ventricle.planted_infarcts(row, visits, places).values()
        image = subject.cine.volume[row.loc[0, "middle_slice"], 0, 14:81, 14:81].astype(float)
        covers = infarct((67, 67)), remote((67, 67))  # a place is a pixel
        inside, outside = (float((image * cover).sum() / cover.sum()) for cover in covers)
        ratios.append(inside / outside)
        assert (covers[0] * covers[1]).max() < 0.5 and 3 < covers[1].sum() / covers[0].sum() < 9
        assert ventricle.planted_infarcts(row, visits.assign(instance=3), places) == {}
        assert ventricle.planted_infarcts(row.assign(infarct_segment=0), visits, places) == {}
        assert ventricle.planted_infarcts(row.drop(columns="infarct_segment"), visits, places) == {}
    assert min(ratios) > 1 and 1.1 < np.mean(ratios) < 1.4


def test_mask_and_disc_agree_and_outside_the_frame_is_nothing():
    rows, columns = np.mgrid[:64, :64]
    mask = np.hypot(rows - 30, columns - 25) <= 9
    box = np.array([-10.0, 5.0, 60.0, 45.0])
    by_mask = ventricle.mask_coverage(box, mask, (7, 7))
    np.testing.assert_allclose(by_mask, disc(box, (30, 25), 9.0, (7, 7)), atol=0.06)
    full = ventricle.mask_coverage(np.array([-32.0, 0.0, 64.0, 64.0]), np.ones((64, 64), bool), (2, 2))
    np.testing.assert_array_equal(full, [[0, 0], [1, 1]])


def write_labels(path, volume, spacing):
    """Write labels (rows, columns, slices[, frames]) that lie at the DICOM origin, rows back and columns left."""
    affine = np.diag([-spacing[1], -spacing[0], 8.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(np.swapaxes(volume, 0, 1).astype(np.int16), affine), path)


def test_segmented_ventricle_is_cavity_and_myocardium_at_end_diastole(tmp_path):
    place = Header("", (0.0, 0.0, 8.0), (1, 0, 0, 0, 1, 0), True)
    cine = Cine(np.zeros((3, 20, 30), np.int16), (2.0, 1.5), 1, 3, 0, place)
    labels = np.zeros((20, 30, 3, 3))
    labels[5:8, 10:14, 1, 1] = 1
    labels[8, 10:14, 1, 1] = 2
    labels[15, 20, 1, 1] = 3  # right ventricle
    write_labels(tmp_path / "seg_sa.nii.gz", labels, cine.spacing_mm)
    mask = ventricle.segmented_ventricle(str(tmp_path), cine, 1)
    assert mask.sum() == 16
    assert mask[5:9, 10:14].all()
    with pytest.raises(Rejection, match="no ventricle"):
        ventricle.segmented_ventricle(str(tmp_path), cine, 0)
    with pytest.raises(Rejection, match="another length"):
        ventricle.segmented_ventricle(str(tmp_path), cine, 3)
    (tmp_path / "seg_sa.nii.gz").unlink()
    write_labels(tmp_path / "label_sa_ED.nii.gz", labels[..., 1], cine.spacing_mm)
    np.testing.assert_array_equal(ventricle.segmented_ventricle(str(tmp_path), cine, 2), mask)

import numpy as np
import pytest
from cohort.raw_files import cine
from scipy import ndimage

from cmr2ecg.cmr.heart import find_heart, harmonic_waves, middle_of_both, pick_frames, summarise
from cmr2ecg.cmr.ventricle import _axes, _opened
from cmr2ecg.raw.rejection import Rejection

SPACING = (4.0, 4.0)


def test_the_first_harmonic_is_the_amplitude_of_a_cosine():
    time = np.arange(20) / 20
    beat = 5 + 3 * np.cos(2 * np.pi * time - 0.7) + 2 * np.cos(4 * np.pi * time)
    mean, cosine, sine = harmonic_waves(20) @ beat
    np.testing.assert_allclose((mean, np.hypot(cosine, sine), np.arctan2(sine, cosine)), (5, 3, 0.7))


@pytest.mark.parametrize("centre", [(44.0, 52.0), (55.5, 40.25), (38.0, 60.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_ventricle_is_found_and_measured(centre, seed):
    heart = find_heart(cine(centre=centre, seed=seed).astype(np.float32), SPACING)
    assert np.hypot(*np.subtract(heart.centre, centre)) * 4 < 4
    assert heart.area[0] == pytest.approx(np.pi * 26**2, rel=0.1)
    assert heart.area[7] == pytest.approx(np.pi * 18**2, rel=0.15)


@pytest.mark.parametrize("es", [5, 7, 9])
def test_end_systole_and_end_diastole(es):
    heart = find_heart(cine(es=es).astype(np.float32), SPACING)
    systole, diastole = pick_frames(heart.area)
    assert abs(systole - es) <= 1 and diastole in (19, 0, 1)


def test_the_result_follows_the_image_when_it_is_turned_over_or_brighter():
    frames = cine().astype(np.float32)
    row, column = find_heart(frames, SPACING).centre
    flipped = find_heart(np.ascontiguousarray(frames[:, :, ::-1]), SPACING).centre
    np.testing.assert_allclose(flipped, (row, 95 - column), atol=1e-3)
    np.testing.assert_allclose(find_heart(frames * 3, SPACING).centre, (row, column), atol=1e-3)


@pytest.mark.parametrize(("way_mm", "share"), [(0, 0.75), (20, 0.75), (25, 1.0), (30, 1.25), (60, 1.25)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.5)])
def test_the_middle_of_both_lies_beyond_the_centre_of_motion_where_that_is_far(way_mm, share, spacing):
    centre, way = np.array([40.0, 50.0]), way_mm * np.array([0.6, -0.8]) / spacing
    np.testing.assert_allclose(middle_of_both(centre, centre + way, spacing), centre + share * way)


def test_pixels_that_are_not_square():
    frames = np.repeat(cine(), 2, axis=1).astype(np.float32)
    row, column = find_heart(frames, (2.0, 4.0)).centre
    assert abs(row - 88.5) * 2 < 5 and abs(column - 52) * 4 < 5


def test_nothing_moves_or_nothing_is_there():
    still = np.repeat(cine()[:1], 20, axis=0).astype(np.float32)
    with pytest.raises(Rejection, match="no motion"):
        find_heart(still, SPACING)
    with pytest.raises(Rejection, match="no motion"):
        summarise(np.zeros((20, 32, 32), np.float32), SPACING)


@pytest.mark.parametrize("spacing", [(0.2, 0.2), SPACING, (20.0, 20.0), (1.0, 9.0)])
@pytest.mark.parametrize("shape", [(10, 16, 16), (12, 16, 200), (25, 64, 48)])
def test_noise_is_rejected_or_gives_a_centre_within_the_frame(shape, spacing):
    frames = np.random.default_rng(0).integers(0, 4096, shape).astype(np.float32)
    try:
        heart = find_heart(frames, spacing)
    except Rejection as error:
        assert error.reason
    else:
        assert np.isfinite(heart.area).all()
        assert all(0 <= place < size for place, size in zip(heart.centre, shape[1:], strict=True))


def test_the_fast_opening_is_scipys():
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (3, 40), (50, 60)):
        for share in (0.3, 0.7, 0.95):
            mask = rng.random(shape) < share
            np.testing.assert_array_equal(_opened(mask), ndimage.binary_opening(mask))


def test_the_axes_of_a_region_are_the_eigenvalues_of_its_covariance():
    rng = np.random.default_rng(0)
    region = rng.random((20, 30)) < 0.4
    points = np.argwhere(region) * (1.5, 2.5)
    np.testing.assert_allclose(_axes(region, (1.5, 2.5)), np.linalg.eigvalsh(np.cov(points.T, bias=True)))

"""The picture shows the heart that was meant."""

import numpy as np
import pytest
from paper_settings import altered

from cmr2ecg.simulate.subject import draw_subject
from cmr2ecg.study.settings.cohort import Prevalence, SimulateCohort

SETTINGS = SimulateCohort(
    seed=1, infarct=0.3, frames=20, slices=9, matrix=128, prevalence=Prevalence(cad=0.1, af=0.05, dm=0.1)
)


@pytest.fixture(scope="module")
def subjects():
    return [draw_subject(SETTINGS, index) for index in range(10)]


def polar(subject, index):
    """Distance in mm and angle of every pixel around the drawn centre of a slice."""
    size, pixel = subject.cine.volume.shape[-1], subject.cine.pixel_spacing_mm
    row, column = subject.cine.centres[index]
    y, x = (np.arange(size)[:, None] - row) * pixel, (np.arange(size)[None] - column) * pixel
    return np.hypot(x, y), np.arctan2(-y, x) % (2 * np.pi)


def test_shape_type_and_range(subjects):
    for subject in subjects:
        volume = subject.cine.volume
        assert volume.dtype == np.uint16
        assert volume.shape == (len(subject.motion.inner), 20, 128, 128)
        assert 8 <= len(volume) <= 10
        assert volume.max() <= 4095


def test_blood_is_bright_muscle_grey_lung_dark_and_the_right_ventricle_on_the_left(subjects):
    for subject in subjects:
        middle = subject.motion.first + subject.motion.count // 2
        image = subject.cine.volume[middle, 0].astype(float)
        radius, angle = polar(subject, middle)
        inner, outer, rv = (
            c[middle, 0].mean() for c in (subject.motion.inner, subject.motion.outer, subject.motion.rv)
        )
        blood = image[radius < 0.35 * inner].mean()
        muscle = image[np.abs(radius - (inner + outer) / 2) < 1.0].mean()
        septal = np.abs(angle - np.pi) < 0.5
        right = image[septal & (radius > outer + 5) & (radius < rv + 3)].mean()
        lung = image[(np.abs(angle - np.pi / 3) < 0.2) & (radius > outer + 16) & (radius < outer + 26)].mean()
        assert blood > 1.8 * muscle
        assert right > 1.5 * muscle
        assert lung < 0.6 * muscle


def test_drawn_cavity_area_follows_the_contour(subjects):
    """Brightness between muscle and blood counts the cavity, partial pixels included."""
    for subject in subjects:
        middle = subject.motion.first + subject.motion.count - 2  # below the papillary muscles
        radius, _ = polar(subject, middle)
        inner = subject.motion.inner[middle]
        image = subject.cine.volume[middle, 0].astype(float)
        ring = subject.motion.outer[middle, 0].min() - 1.5
        if ring - inner[0].max() < 2:
            continue
        high = np.median(image[radius < 0.5 * inner[0].mean()])
        low = np.percentile(image[radius < ring], 4)
        share = np.clip((image[radius < ring] - low) / (high - low), 0, 1)
        area = share.sum() * subject.cine.pixel_spacing_mm**2
        assert area == pytest.approx(np.pi * (inner[0] ** 2).mean(), rel=0.25)


def test_the_heart_moves_more_than_the_chest(subjects):
    for subject in subjects:
        middle = len(subject.cine.volume) // 2
        spread = subject.cine.volume[middle].std(axis=0)
        radius, _ = polar(subject, middle)
        near = radius < subject.motion.outer[middle, 0].max() + 3
        assert spread[near].mean() > 1.5 * spread[~near].mean()


def test_hearts_lie_in_different_places_inside_the_image(subjects):
    centres = np.array([subject.cine.centres[len(subject.cine.centres) // 2] for subject in subjects])
    assert centres.std(axis=0).min() > 2
    assert (np.abs(centres - 63.5) < 32).all()


def test_breathing_shifts_slices(subjects):
    shifts = np.concatenate([np.diff(subject.cine.centres, axis=0) for subject in subjects])
    assert 0.2 < shifts[:, 0].std() < 3


def test_an_infarct_is_brighter_than_the_wall_beside_it():
    """At end-diastole, in the middle of a wall that is thick enough to have one."""
    fine = altered(SETTINGS, matrix=320, frames=4, field_of_view_mm=200, infarct=1.0, heart_shift_mm=0.0)
    more = []
    for index in range(6):
        subject = draw_subject(fine, index)
        middle = len(subject.motion.inner) // 2
        radius, angle = polar(subject, middle)
        inner, outer = (c[middle, 0] for c in (subject.motion.inner, subject.motion.outer))
        place = (angle / (2 * np.pi) * len(inner)).astype(int)
        wall = np.abs(radius - (inner + outer)[place] / 2) < 0.2 * (outer - inner)[place]
        off = np.abs(np.angle(np.exp(1j * (angle - float(subject.person.heart_image.territory)))))
        image = subject.cine.volume[middle, 0].astype(float)
        more.append(np.median(image[wall & (off < 0.3)]) / np.median(image[wall & (off > 0.8) & (off < 1.3)]))
    assert 1.2 < np.median(more) < 1.8


def test_the_heart_lies_where_the_setting_scatters_it():
    """Far enough from the edge, however wide the scatter."""
    small = altered(SETTINGS, matrix=32, frames=4, field_of_view_mm=200)
    for spread, low, high in ((0.0, 0, 5), (20.0, 12, 22), (60.0, 25, 55)):
        places = []
        for index in range(24):
            subject = draw_subject(altered(small, heart_shift_mm=spread), index)
            places.append(subject.cine.centres.mean(axis=0) * subject.cine.pixel_spacing_mm)
        assert low <= np.std(places, axis=0).mean() < high
        assert np.min(places) > 30 and np.max(places) < 170

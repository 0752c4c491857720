"""What an ECG sees of a heart."""

from dataclasses import fields

import numpy as np
import pytest

from cmr2ecg.simulate.disease import calibrate
from cmr2ecg.simulate.heart import BODY, LATENTS, Heart, heart_from_latents
from cmr2ecg.simulate.subject import POWERS, seen_by_ecg, shares

CALIBRATION = calibrate(0.2, 0.12, 0.2, 0.5, 0.1)
THRESHOLDS = CALIBRATION.af_threshold, CALIBRATION.infarct_threshold
BODY_FIELDS = ("age", "male", "height_cm", "weight_kg", "bmi")


def drawn(count=20000):
    return np.random.default_rng(0).standard_normal((2, count, len(LATENTS)))


@pytest.mark.parametrize("visibility", [0.0, 0.3, 0.6, 1.0])
def test_latents_correlate_by_their_shares_and_stay_standard_normal(visibility):
    z, other = drawn()
    seen, _ = seen_by_ecg(z, other, visibility, THRESHOLDS)
    found = [np.corrcoef(one, two)[0, 1] for one, two in zip(z.T, seen.T, strict=True)]
    np.testing.assert_allclose(found, shares(visibility), atol=0.025)
    np.testing.assert_allclose(seen.std(0), 1, atol=0.02)


def test_anatomy_is_seen_by_the_visibility_and_signs_more_plainly():
    of = dict(zip(LATENTS, shares(0.6), strict=True))
    assert of["lv_size"] == of["atrium"] == pytest.approx(0.6)
    assert of["rate"] == pytest.approx(1 - 0.4**4) and of["ischaemia"] == pytest.approx(1 - 0.4**2)
    assert {of[name] for name in BODY} == {1.0}
    assert set(POWERS) <= set(LATENTS) and not set(POWERS) & set(BODY)


def test_all_is_seen_at_one_and_the_body_alone_at_nought():
    z, other = drawn()
    heart = heart_from_latents(z, *THRESHOLDS)
    whole, none = (seen_by_ecg(z, other, visibility, THRESHOLDS)[1] for visibility in (1.0, 0.0))
    for field in fields(Heart):
        np.testing.assert_array_equal(getattr(whole, field.name), getattr(heart, field.name))
    body = np.column_stack([np.ones(len(z)), *(getattr(heart, name) for name in BODY_FIELDS)])
    for field in fields(Heart):
        true, seen = (getattr(one, field.name) for one in (heart, none))
        if field.name in BODY_FIELDS:
            np.testing.assert_array_equal(seen, true)
            continue
        rest = [values - body @ np.linalg.lstsq(body, values, rcond=None)[0] for values in (true, seen)]
        assert abs(np.corrcoef(rest)[0, 1]) < 0.03


def test_fibrillation_is_told_far_better_than_anatomy():
    z, other = drawn()
    heart, (_, seen) = heart_from_latents(z, *THRESHOLDS), seen_by_ecg(z, other, 0.6, THRESHOLDS)
    assert seen.af.mean() == pytest.approx(heart.af.mean(), rel=0.1)
    assert heart.af[seen.af > 0].mean() > 0.7

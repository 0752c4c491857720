"""The population: published ranges, calibrated diseases, coupling, coded records."""

from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from cmr2ecg.simulate.disease import CODE_COLUMNS, CODES, DISEASES, calibrate, draw_record, risks
from cmr2ecg.simulate.heart import LATENTS, Heart, blend, heart_from_latents

PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}


@pytest.fixture(scope="module")
def people():
    calibration = calibrate(*PREVALENCE.values())
    z = np.random.default_rng(3).standard_normal((20000, len(LATENTS)))
    return heart_from_latents(z, calibration.af_threshold), calibration


@pytest.mark.parametrize(
    ("name", "mean", "spread"),
    [
        ("lvedv", 145, 33),
        ("lvm", 87, 24),
        ("rvedv", 155, 37),
        ("age", 64, 7.7),
        ("bmi", 26.6, 4.3),
        ("rate", 63, 10),
    ],
)
def test_means_and_spreads_of_the_imaging_study(people, name, mean, spread):
    values = getattr(people[0], name)
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(
    ("male", "ejection", "mass"),
    [(1, (58, 5), (53, 9)), (0, (61, 5), (42, 7))],
    ids=["men", "women"],
)
def test_men_and_women_lie_within_the_published_ranges_of_the_healthy(people, male, ejection, mass):
    """Petersen et al. 2017, J Cardiovasc Magn Reson 19:18, abstract: ejection fraction in %, mass in g/m2; mean, SD."""
    heart = people[0]
    surface = 0.007184 * heart.weight_kg**0.425 * heart.height_cm**0.725  # m2, Du Bois
    for values, (mean, spread) in ((100 * heart.lvef, ejection), (heart.lvm / surface, mass)):
        own = values[heart.male == male]
        assert abs(own.mean() - mean) < 0.6 * spread
        assert 0.7 < own.std() / spread < 1.5


def test_ejection_fractions(people):
    heart = people[0]
    assert heart.lvef.mean() == pytest.approx(0.59, abs=0.015)
    assert heart.lvef.std() == pytest.approx(0.06, abs=0.012)
    assert heart.rvef.mean() == pytest.approx(0.57, abs=0.03)
    stroke = np.corrcoef(heart.lvedv * heart.lvef, heart.rvedv * heart.rvef)[0, 1]
    assert stroke > 0.9  # both ventricles pump the same blood
    assert all(np.isfinite(getattr(heart, field.name)).all() for field in fields(Heart))


@pytest.mark.parametrize("prevalence", [(0.0722, 0.0298, 0.0446), (0.2, 0.15, 0.3)])
def test_prevalence_is_the_wanted_one(prevalence):
    calibration = calibrate(*prevalence)
    z = np.random.default_rng(8).standard_normal((20000, len(LATENTS)))
    found = risks(heart_from_latents(z, calibration.af_threshold), calibration).mean(0)
    np.testing.assert_allclose(found, prevalence, rtol=0.08)


@pytest.mark.parametrize(
    ("disease", "trait", "sign"),
    [
        ("cad", "ischaemia", 1),
        ("cad", "lvef", -1),
        ("af", "af", 1),
        ("af", "age", 1),
        ("dm", "bmi", 1),
        ("dm", "rate", 1),
    ],
)
def test_risks_follow_body_and_heart(people, disease, trait, sign):
    heart, calibration = people
    risk = risks(heart, calibration)[:, DISEASES.index(disease)]
    assert sign * np.corrcoef(np.log(risk), getattr(heart, trait))[0, 1] > 0.1


@pytest.mark.parametrize("coupling", [0.0, 0.3, 0.8, 1.0])
def test_blend_correlates_by_the_coupling_and_stays_standard_normal(coupling):
    rng = np.random.default_rng(0)
    own, other = rng.standard_normal((2, 40000))
    image = blend(own, other, coupling)
    assert np.corrcoef(own, image)[0, 1] == pytest.approx(coupling, abs=0.015)
    assert image.std() == pytest.approx(1, abs=0.015)


def test_a_record_names_exactly_the_diseases_a_subject_has():
    rng = np.random.default_rng(5)
    death_only = 0
    for _ in range(3000):
        has = rng.random(3) < 0.3
        record = draw_record(rng, has, date(2016, 3, 1))
        everywhere = {*record.codes, record.death_cause, *record.death_contributory}
        for name, ill in zip(DISEASES, has, strict=True):
            prefixes = {code[:3] for code in CODES[name]}
            assert ill == any(code[:3] in prefixes for code in everywhere)
            death_only += ill and not any(code[:3] in prefixes for code in record.codes)
        assert len(record.codes) == len(record.dates) <= CODE_COLUMNS
        assert not any("." in code for code in everywhere)
        assert bool(record.death) == bool(record.death_cause)
    assert death_only > 20

"""The population: published ranges, calibrated diseases, what only the ECG shows, infarcts, coded records."""

from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from cmr2ecg.simulate.disease import CODE_COLUMNS, CODES, DISEASES, calibrate, draw_record, risks
from cmr2ecg.simulate.electrical import ELECTRICAL
from cmr2ecg.simulate.heart import LATENTS, Heart, heart_from_latents, infarct_segment, surface_area

PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}


@pytest.fixture(scope="module")
def people():
    calibration = calibrate(*PREVALENCE.values(), ecg_only=0.5, infarct=0.1)
    return population(calibration, seed=3)[0], calibration


def population(calibration, seed):
    """Hearts and electrical latents of 20,000 people."""
    rng = np.random.default_rng(seed)
    z, electrical = (rng.standard_normal((20000, len(names))) for names in (LATENTS, ELECTRICAL))
    return heart_from_latents(z, calibration.af_threshold, calibration.infarct_threshold), electrical


@pytest.mark.parametrize(
    ("name", "mean", "spread"),
    [
        ("lvedv", 145, 33),
        ("lvm", 87, 24),
        ("rvedv", 155, 39),
        ("age", 64, 7.7),
        ("bmi", 26.6, 4.3),
        ("rate", 63, 10),
    ],
)
def test_means_and_spreads_of_the_imaging_study(people, name, mean, spread):
    values = getattr(people[0], name)
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() == pytest.approx(spread, rel=0.2)


# Petersen et al. 2017, J Cardiovasc Magn Reson 19:18: mean and SD of healthy men and women; % and g/m2 in the abstract
PUBLISHED = {
    1: {"lvedv": (166, 32), "lvm": (103, 21), "rvedv": (182, 36), "lvef": (0.58, 0.05), "lvm_per_m2": (53, 9)},
    0: {"lvedv": (124, 21), "lvm": (70, 13), "rvedv": (130, 24), "lvef": (0.61, 0.05), "lvm_per_m2": (42, 7)},
}


@pytest.mark.parametrize("name", ["lvedv", "lvm", "rvedv", "lvef", "lvm_per_m2"])
@pytest.mark.parametrize("male", [1, 0], ids=["men", "women"])
def test_men_and_women_have_the_published_means_and_spreads(people, male, name):
    heart = people[0]
    mean, spread = PUBLISHED[male][name]
    values = heart.lvm / surface_area(heart.weight_kg, heart.height_cm) if "m2" in name else getattr(heart, name)
    own = values[heart.male == male]
    # The healthy were chosen with a body mass index below 30; this population is heavier, and has more surface.
    assert abs(own.mean() - mean) < (0.35 if "m2" in name else 0.2) * spread
    assert 0.85 < own.std() / spread < 1.25  # the ill are among them


def test_sex_and_body_tell_much_of_the_size_of_a_heart(people):
    """r of sex with LVEDV is .61 from the published means and spreads, for as many men as women nearly."""
    heart = people[0]
    assert np.corrcoef(heart.male, heart.lvedv)[0, 1] == pytest.approx(0.61, abs=0.03)
    for male in (0, 1):
        own = heart.male == male
        assert np.corrcoef(heart.height_cm[own], heart.lvedv[own])[0, 1] > 0.2
        assert abs(np.corrcoef(heart.height_cm[own], heart.lvef[own])[0, 1]) < 0.1


def test_ejection_fractions(people):
    heart = people[0]
    assert heart.lvef.mean() == pytest.approx(0.59, abs=0.015)
    assert heart.lvef.std() == pytest.approx(0.06, abs=0.012)
    assert heart.rvef.mean() == pytest.approx(0.57, abs=0.03)
    stroke = np.corrcoef(heart.lvedv * heart.lvef, heart.rvedv * heart.rvef)[0, 1]
    assert stroke > 0.9  # both ventricles pump the same blood
    assert all(np.isfinite(getattr(heart, field.name)).all() for field in fields(Heart))


@pytest.mark.parametrize("ecg_only", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("prevalence", [(0.0722, 0.0298, 0.0446), (0.2, 0.15, 0.3)])
def test_prevalence_is_the_wanted_one(prevalence, ecg_only):
    calibration = calibrate(*prevalence, ecg_only, 0.1)
    found = risks(*population(calibration, seed=8), calibration).mean(0)
    np.testing.assert_allclose(found, prevalence, rtol=0.08)


def log_odds(heart, electrical, calibration):
    risk = risks(heart, electrical, calibration)
    return np.log(risk / (1 - risk))


def test_electricity_has_its_share_of_the_risk_and_nothing_else_changes():
    """Half of the variance that is not of body, rate and rhythm for CAD and AF, a quarter for DM; 0 leaves it out."""
    without, half = (calibrate(0.2, 0.12, 0.2, share, 0.1) for share in (0.0, 0.5))
    heart, electrical = population(half, seed=4)
    nobody = np.zeros_like(electrical)
    np.testing.assert_array_equal(risks(heart, electrical, without), risks(heart, nobody, without))
    added = (log_odds(heart, electrical, half) - log_odds(heart, nobody, half)).var(0)
    taken = 1 - np.square(half.heart)
    of_heart = added / (taken / (1 - taken)) / np.square(half.heart)  # variance of the heart's part, were it alone
    np.testing.assert_allclose(taken, [0.5, 0.5, 0.25])
    np.testing.assert_allclose(np.sqrt(of_heart) * np.sqrt(taken), half.electrical, rtol=0.03)
    np.testing.assert_allclose(
        log_odds(heart, electrical, half).var(0), log_odds(heart, nobody, without).var(0), rtol=0.2
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_an_infarct_lies_in_one_middle_segment_and_weakens_the_heart(share):
    calibration = calibrate(0.2, 0.12, 0.2, 0.5, share)
    heart, electrical = population(calibration, seed=6)
    ill, segment = heart.infarct > 0, infarct_segment(heart)
    assert ill.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(ill)))
    assert (segment[~ill] == 0).all()
    if share:
        shares = np.bincount(segment[ill], minlength=13)[7:] / ill.sum()
        np.testing.assert_allclose(shares, 1 / 6, atol=0.03)
        anterior = np.deg2rad(90 + 60 * (segment[ill] - 7))  # AHA: 7 anterior, then by way of the septum
        np.testing.assert_allclose(np.exp(1j * heart.territory[ill]), np.exp(1j * anterior), atol=1e-12)
        assert heart.lvef[ill].mean() < heart.lvef[~ill].mean() - 0.04
        chances = risks(heart, electrical, calibration)[:, 0]
        assert chances[ill].mean() > 1.5 * chances[~ill].mean()


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
    risk = risks(heart, np.zeros((20000, len(ELECTRICAL))), calibration)[:, DISEASES.index(disease)]
    assert sign * np.corrcoef(np.log(risk), getattr(heart, trait))[0, 1] > 0.1


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

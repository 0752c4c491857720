"""The drawn heart and the phenotypes are one thing."""

from dataclasses import fields, replace

import numpy as np
import pytest

from cmr2ecg.simulate.disease import calibrate
from cmr2ecg.simulate.geometry import THETA, chamber_volumes, move, myocardial_mass
from cmr2ecg.simulate.heart import LATENTS, Heart, heart_from_latents
from cmr2ecg.simulate.phenotypes import FIELDS, measure


def one_heart(seed, **changes):
    z = np.random.default_rng(seed).standard_normal(len(LATENTS))
    for name, value in changes.items():
        z[LATENTS.index(name)] = value
    return heart_from_latents(z, calibrate(0.07, 0.03, 0.04).af_threshold)


@pytest.mark.parametrize("seed", range(12))
def test_volumes_mass_and_ejection_fractions_are_the_hearts(seed):
    heart = one_heart(seed)
    motion = move(heart, 8 + seed % 4, 20 + seed, np.random.default_rng(seed))
    left, right = chamber_volumes(motion)
    assert left[0] == pytest.approx(heart.lvedv)
    assert right[0] == pytest.approx(heart.rvedv)
    assert left.argmin() == right.argmin() == motion.es_frame
    assert 1 - left.min() / left[0] == pytest.approx(heart.lvef)
    assert 1 - right.min() / right[0] == pytest.approx(heart.rvef)
    assert myocardial_mass(motion) == pytest.approx(heart.lvm)
    assert (left <= left[0] + 1e-9).all()


def test_end_systole_comes_at_a_third_of_the_beat():
    shares = [move(one_heart(k), 9, 50, np.random.default_rng(k)).es_frame / 50 for k in range(60)]
    assert 0.33 < np.mean(shares) < 0.41
    assert min(shares) > 0.28 and max(shares) < 0.48


def test_an_area_counted_on_pixels_is_the_volume():
    """An independent count: points of a fine grid inside the contours."""
    motion = move(one_heart(2), 9, 20, np.random.default_rng(2))
    x = np.arange(-60, 60, 0.5) + 0.25
    radius, angle = np.hypot(x[None], x[:, None]), np.arctan2(-x[:, None], x[None]) % (2 * np.pi)
    counted = 0.0
    for contour in motion.inner[:, 0]:
        border = np.interp(angle, THETA, contour, period=2 * np.pi)
        counted += (radius < border).sum() * 0.25 * 10 / 1000
    assert counted == pytest.approx(chamber_volumes(motion)[0][0], rel=0.005)


def test_phenotypes_are_the_61_fields():
    assert len(FIELDS) == 61
    assert list(FIELDS.values()) == [*range(24100, 24110), *range(24124, 24175)]
    assert (FIELDS["LVM"], FIELDS["WT_AHA_16"], FIELDS["Ecc_Global"], FIELDS["Err_AHA_1"]) == (
        24105,
        24139,
        24157,
        24158,
    )


@pytest.mark.parametrize("seed", range(6))
def test_phenotype_identities(seed):
    heart = one_heart(seed)
    motion = move(heart, 9, 25, np.random.default_rng(seed))
    p = measure(motion, float(heart.rate), np.random.default_rng(seed))
    for side in ("LV", "RV"):
        assert p[f"{side}SV"] == pytest.approx(p[f"{side}EDV"] - p[f"{side}ESV"])
        assert p[f"{side}EF"] == pytest.approx(100 * p[f"{side}SV"] / p[f"{side}EDV"])
    assert p["LVCO"] == pytest.approx(p["LVSV"] * float(heart.rate) / 1000, rel=0.05)
    for name in ("WT", "Ecc", "Err"):
        assert p[f"{name}_Global"] == pytest.approx(np.mean([p[f"{name}_AHA_{k}"] for k in range(1, 17)]))
    assert max(p[f"Ecc_AHA_{k}"] for k in range(1, 17)) < 0
    exact = measure(motion, float(heart.rate), np.random.default_rng(0), error=0)
    assert exact["LVEDV"] == pytest.approx(heart.lvedv)
    assert all(abs(p[name] / exact[name] - 1) < 0.35 for name in p)


def test_published_ranges_of_wall_and_strain():
    values = []
    for seed in range(80):
        heart = one_heart(seed)
        motion = move(heart, 9, 25, np.random.default_rng(seed))
        found = measure(motion, float(heart.rate), np.random.default_rng(seed))
        values.append([found["WT_Global"], found["Ecc_Global"], found["Err_Global"]])
    wall, circumferential, radial = np.mean(values, axis=0)
    assert 5.4 < wall < 6.3
    assert -24 < circumferential < -18
    assert 38 < radial < 54


@pytest.mark.parametrize(("territory", "segment"), [(0.0, 11), (np.pi / 2, 7), (3 * np.pi / 2, 10)])
def test_a_damaged_territory_thins_and_stills_its_segments(territory, segment):
    """Segments 12 and 11 are lateral, 7 anterior, 10 inferior (AHA)."""
    hurt = one_heart(4, ischaemia=3.0)
    values = {field.name: getattr(hurt, field.name) for field in fields(Heart)}
    hurt = Heart(**values | {"territory": np.array(territory)})
    sound = Heart(**values | {"ischaemia": np.array(0.0)})
    p, q = (
        measure(move(h, 9, 25, np.random.default_rng(1)), 60.0, np.random.default_rng(1), error=0)
        for h in (hurt, sound)
    )
    assert p[f"Ecc_AHA_{segment}"] > q[f"Ecc_AHA_{segment}"] + 3
    assert p[f"WT_AHA_{segment}"] < q[f"WT_AHA_{segment}"]


def test_an_infarcted_segment_is_thin_and_does_not_move():
    """Against the same hearts without the infarct, whose damage is as severe; its neighbours keep most of theirs."""
    wall, strain, beside = [], [], []
    for seed in range(12):
        heart = replace(
            one_heart(seed, ischaemia=1.5, function=0.0), territory=np.pi * 7 / 6
        )  # segment 9, inferoseptal
        values = [
            measure(
                move(replace(heart, infarct=infarct), 9, 20, np.random.default_rng(seed)),
                60.0,
                np.random.default_rng(0),
                error=0,
            )
            for infarct in (np.array(0.0), np.array(1.0))
        ]
        wall.append(values[1]["WT_AHA_9"] / values[0]["WT_AHA_9"])
        strain.append(values[1]["Ecc_AHA_9"])
        beside.append(values[1]["WT_AHA_12"] / values[0]["WT_AHA_12"])
    assert 0.6 < np.mean(wall) < 0.85
    assert np.mean(strain) > -7  # a third of a sound segment's; its borders are drawn along by the neighbours
    assert np.mean(beside) > 0.95

"""The heatmap as a number: equal to loops, at its null without knowledge, significant where similarity is planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from report.maps.small_towers import towers_of
from scipy.stats import ttest_rel

from cmr2ecg.report.maps.heatmap import (
    COLUMNS,
    INFARCT,
    MEASURES,
    Scored,
    bootstrap,
    difference,
    permuted_means,
    score_pairs,
    summary,
    table,
)
from cmr2ecg.report.maps.similarity import (
    project_ecg,
    project_image,
    project_patches,
    project_regions,
    similarity,
)


def unit(rng, *shape):
    vectors = rng.standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_each_place_is_projected_by_itself():
    towers = towers_of(0)
    images = torch.randn(2, 3, 96, 96)
    regions = project_regions(towers, images)
    assert regions.shape == (2, 3, 3, 8)
    with torch.inference_mode():
        features = towers.image_encoder.forward_features(images)
        one = towers.image_projector(features[1, :, 2, 0])
    torch.testing.assert_close(regions[1, 2, 0], one / one.norm())
    assert project_regions(towers, images, upsample=2).shape == (2, 6, 6, 8)
    same = project_regions(towers, torch.zeros(1, 3, 32, 32))  # one place: the map is the whole image's projection
    torch.testing.assert_close(same[:, 0, 0], project_image(towers, torch.zeros(1, 3, 32, 32)))


def test_the_ecg_side_has_a_vector_for_each_patch_of_each_lead():
    towers = towers_of(0)
    ecg = torch.randn(3, 12, 160)
    patches = project_patches(towers, ecg)
    assert patches.shape == (3, 12, 2, 8)
    torch.testing.assert_close(patches.norm(dim=-1), torch.ones(3, 12, 2))
    torch.testing.assert_close(project_ecg(towers, ecg), project_ecg(towers, ecg[..., :100]))


def test_similarity_is_the_cosine_over_the_temperature():
    rng = np.random.default_rng(0)
    local, whole = torch.from_numpy(unit(rng, 2, 3, 4, 5)), torch.from_numpy(unit(rng, 2, 5))
    expected = [[[local[n, a, b] @ whole[n] for b in range(4)] for a in range(3)] for n in range(2)]
    torch.testing.assert_close(similarity(local, whole), torch.tensor(expected))
    torch.testing.assert_close(similarity(local, whole, 0.6), torch.tensor(expected) / 0.6)


def test_scores_of_all_pairs_equal_loops(monkeypatch):
    monkeypatch.setattr("cmr2ecg.report.maps.heatmap.BLOCK", 100)  # several blocks
    rng = np.random.default_rng(0)
    regions, signals, cover = unit(rng, 5, 3, 4, 6), unit(rng, 5, 6), rng.random((5, 3, 4))
    scored = score_pairs(regions, signals, cover)
    for i in range(5):
        for j in range(5):
            similar = regions[i] @ signals[j]
            positive = similar.clip(0)
            inside = (similar * cover[i]).sum() / cover[i].sum()
            outside = (similar * (1 - cover[i])).sum() / (1 - cover[i]).sum()
            expected = {
                "share": (positive * cover[i]).sum() / positive.sum(),
                "pointing": cover[i].ravel()[similar.argmax()] >= 0.5 * cover[i].max(),
                "inside": inside,
                "contrast": inside - outside,
            }
            for measure, value in expected.items():
                assert scored.pairs[measure][i, j] == pytest.approx(float(value), abs=1e-5)
    assert scored.flat["share"] == pytest.approx(cover.mean())


def test_all_similarity_in_the_sector_is_a_share_of_1():
    """The infarct covers a tenth of one place at most, as on a map of 8 x 8; the remote myocardium is another place."""
    signals, infarct, remote = np.eye(3, dtype=np.float32), np.zeros((3, 2, 2)), np.zeros((3, 2, 2))
    infarct[:, 0, 1], infarct[:, 1, 1], remote[:, 1, 0] = 0.1, 0.02, 0.3
    regions = np.zeros((3, 2, 2, 3), np.float32)
    regions[:, 0, 1] = signals  # else orthogonal to every ECG
    scored = score_pairs(regions, signals, np.where(infarct > 0.05, 1.0, 0.0), remote)
    np.testing.assert_array_equal(scored.pairs["share"], np.eye(3))
    np.testing.assert_array_equal(scored.own("contrast"), 1)
    scored = score_pairs(regions, signals, infarct, remote).renamed(INFARCT)
    assert set(scored.pairs) == set(scored.flat) == {"infarct_share", "infarct_pointing", "infarct_contrast"}
    np.testing.assert_array_equal(scored.own("infarct_pointing"), 1)
    np.testing.assert_allclose(scored.own("infarct_share"), 0.1)  # a tenth of the place is infarcted
    np.testing.assert_allclose(scored.own("infarct_contrast"), 0.1 / 0.12)
    assert scored.flat["infarct_pointing"] == 0.25


def test_the_contrast_of_an_infarct_is_with_remote_myocardium_alone():
    rng = np.random.default_rng(0)
    regions, signals, covers = unit(rng, 4, 3, 3, 5), unit(rng, 4, 5), rng.random((2, 4, 3, 3))
    scored = score_pairs(regions, signals, *covers)
    for i in range(4):
        means = [((regions[i] @ signals[3]) * cover[i]).sum() / cover[i].sum() for cover in covers]
        assert scored.pairs["contrast"][i, 3] == pytest.approx(means[0] - means[1], abs=1e-6)


def test_the_mean_of_permuted_pairs_is_the_map_of_the_mean_ecg():
    """So a model that beats its null beats a map that ignores the ECG; exact for measures without a threshold."""
    rng = np.random.default_rng(0)
    regions, signals, covers = unit(rng, 6, 3, 3, 5), unit(rng, 6, 5), rng.random((2, 6, 3, 3))
    mean = np.repeat(signals.mean(axis=0, keepdims=True), 6, axis=0)
    for measure in ("inside", "contrast"):
        every, ignoring = (score_pairs(regions, ecg, *covers).pairs[measure] for ecg in (signals, mean))
        assert every.mean() == pytest.approx(ignoring.mean(), abs=1e-6)


def test_nothing_similar_shares_nothing():
    regions = np.ones((2, 1, 2, 1), np.float32)
    scored = score_pairs(regions, -np.ones((2, 1), np.float32), np.full((2, 1, 2), 0.5))
    assert (scored.pairs["share"] == 0).all()


def planted(rng, n=40, own=True):
    """Return maps whose ventricle resembles the subject's own ECG (or one direction for all), noise elsewhere."""
    signals, regions, cover = unit(rng, n, 16), unit(rng, n, 7, 7, 16), np.zeros((n, 7, 7))
    cover[:, 2:5, 2:5] = 1
    target = signals if own else np.repeat(unit(rng, 1, 16), n, axis=0)
    signals = signals if own else unit(rng, n, 16) * 0.5 + target
    regions[:, 2:5, 2:5] = target[:, None, None] + 0.5 * regions[:, 2:5, 2:5]
    normed = [values / np.linalg.norm(values, axis=-1, keepdims=True) for values in (regions, signals)]
    return score_pairs(*normed, cover)


def p_values(scored):
    return table(summary("m", scored, (7, 7), 500, 100, 0)).set_index("measure")["p"]


def test_planted_similarity_is_significant():
    scored = planted(np.random.default_rng(0))
    result = table(summary("m", scored, (7, 7), 500, 100, 0)).set_index("measure")
    assert (result["p"] == 1 / 501).all()
    assert result.loc["pointing", "value"] > 0.9
    assert result.loc["share", "value"] > 2 * result.loc["share", "flat"]
    assert (result["low"] <= result["value"]).all() and (result["value"] <= result["high"]).all()


def test_a_map_that_is_the_same_for_every_ecg_is_at_its_null():
    scored = planted(np.random.default_rng(1), own=False)
    assert scored.own("share").mean() > 2 * scored.flat["share"]  # it does light up the ventricle
    assert (p_values(scored) > 0.05).all()


def test_p_is_level_without_knowledge():
    values = [
        p_values(score_pairs(unit(rng, 20, 3, 3, 8), unit(rng, 20, 8), np.tile(np.eye(3), (20, 1, 1))))
        for rng in map(np.random.default_rng, range(60))
    ]
    for measure in ("share", "inside", "contrast"):
        p = np.array([row[measure] for row in values])
        assert 0.35 < p.mean() < 0.65
        assert (p <= 0.05).sum() <= 8  # 3 expected of 60; more than 8 has probability 0.4 %


def test_untrained_encoders_are_at_the_null():
    """On 12 draws of unrelated ECGs and images; 0.6 of them are expected below 0.05, 4 or more with 0.2 %."""
    values, cover = [], np.zeros((16, 3, 3))
    cover[:, 1, 1] = 0.8
    for seed in range(12):
        rng, towers = np.random.default_rng(seed), towers_of(seed // 4)
        images, ecg = rng.random((16, 3, 96, 96), np.float32), rng.standard_normal((16, 12, 100), np.float32)
        regions = project_regions(towers, torch.from_numpy(images)).numpy()
        values.append(p_values(score_pairs(regions, project_ecg(towers, torch.from_numpy(ecg)).numpy(), cover)))
    p = pd.DataFrame(values)
    assert ((p <= 0.05).sum() < 4).all()
    assert (p.mean() > 0.3).all()


def test_permutations_deal_every_ecg_once():
    pairs = np.arange(16.0).reshape(4, 4) % 4  # the value is the ECG's number, whatever the image
    assert (permuted_means(pairs, 20, 0) == 1.5).all()


def test_bootstrap_holds_the_mean_and_a_difference_of_equals_is_nothing():
    values = np.random.default_rng(0).standard_normal(200)
    low, high = bootstrap(values, 2000, 0)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)
    scored = planted(np.random.default_rng(2))
    for row in difference(("a", "b"), (scored, scored)):
        assert row[2] == 0 and np.isnan(row[3:5]).all()  # nothing differs, so nothing says how much it might


def test_a_difference_is_a_paired_t_test():
    rng = np.random.default_rng(3)
    pair = tuple(Scored({m: np.diag(rng.normal(size=30)) for m in MEASURES}, dict.fromkeys(MEASURES, 0)) for _ in "ab")
    for measure, row in zip(MEASURES, difference(("a", "b"), pair), strict=True):
        expected = ttest_rel(pair[0].own(measure), pair[1].own(measure))
        found = dict(zip(COLUMNS, row, strict=True))
        assert found["p"] == pytest.approx(expected.pvalue)
        assert (found["low"], found["high"]) == pytest.approx(tuple(expected.confidence_interval()))

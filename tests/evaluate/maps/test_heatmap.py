"""The heatmap as a number: equal to loops, at its null without knowledge, significant where similarity is planted."""

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_rel

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.evaluate.maps import ventricle
from cmr2ecg.evaluate.maps.heatmap import (
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
from cmr2ecg.evaluate.maps.similarity import (
    build_towers,
    load_towers,
    project_ecg,
    project_image,
    project_patches,
    project_regions,
    similarity,
)
from cmr2ecg.runtime.command import InputError
from cmr2ecg.simulate.subject import draw_subject, truth_of
from cmr2ecg.steps import score_heatmap
from cmr2ecg.training.checkpoint import save_weights
from cmr2ecg.ukb.dicom import Header
from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.short_axis import Cine

MODELS = {
    "ecg_encoder": {"leads": 12, "samples": 100, "patch": 50, "dim": 16, "depth": 1, "heads": 2},
    "cmr_encoder": {"name": "resnet10t", "image_size": 96},
    "projector": {"hidden": 16, "out": 8},
}


def towers_of(seed):
    torch.manual_seed(seed)
    return build_towers(MODELS)


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
    settings = paper_settings()["simulate_cohort"] | {"frames": 4, "slices": 6, "matrix": 96, "field_of_view_mm": 210}
    box, ratios = np.array([14.0, 14.0, 67.0, 67.0]), []
    for index in range(4):
        subject = draw_subject(settings | {"infarct": 1.0}, index)
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


def test_scores_of_all_pairs_equal_loops(monkeypatch):
    monkeypatch.setattr("cmr2ecg.evaluate.maps.heatmap.BLOCK", 100)  # several blocks
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


@pytest.fixture
def study(tmp_path):
    """Files of 30 subjects, 12 of them in the test split, one of these seen at the second visit."""
    n = 30
    eids, rng = 9000301 + np.arange(n), np.random.default_rng(0)
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["eid"] = eids
        file["ecg"] = rng.standard_normal((n, 12, 160)).astype(np.float32)
        file["cmr"] = rng.random((n, 3, 96, 96)).astype(np.float16)
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["eid"] = eids
        file["box"] = np.tile(np.float32([10, 10, 60, 60]), (n, 1))
        file["frames"] = np.tile(np.int16([5, 0, 3]), (n, 1))
    split = np.where(np.arange(n) < 18, "train", "test")
    pd.DataFrame({"eid": eids, "split": split}).to_csv(tmp_path / "split.csv", index=False)
    visits = {"eid": eids, "instance": np.where(np.arange(n) == 20, 3, 2), "segmentation": "", "cmr_path": "no.zip"}
    pd.DataFrame(visits).to_parquet(tmp_path / "visits.parquet")
    truth = {"eid": eids, "centre_row": 39.5, "centre_column": 39.5, "epicardial_radius_px": 15.0}
    pd.DataFrame(truth).to_parquet(tmp_path / "truth.parquet")
    models = []
    for seed, name in enumerate(("mmcl", "mmcl_without_mdm")):
        (tmp_path / name).mkdir()
        towers = towers_of(seed)
        for part in ("encoder", "projector", "image_encoder", "image_projector"):
            save_weights(tmp_path / name / f"{part}.safetensors", getattr(towers, part))
            models.append(f"{name}={tmp_path / name / part}.safetensors")
    return tmp_path, models


def score(study, *more, **settings):
    root, models = study
    base = {"models": MODELS, "upsample": 1, "permutations": 99, "draws": 50, "seed": 0}
    base |= {"channels": ["es", "ed", "mid"], "read": {"minimum_slices": 8}}
    line = ["--settings", json.dumps(base | settings), "--models", *models, "--dataset", str(root / "dataset.h5")]
    line += ["--split", str(root / "split.csv"), "--visits", str(root / "visits.parquet")]
    line += ["--cmr", str(root / "0.h5"), "--memory-mb", "100", "--output", str(root / "heatmap.csv"), *more]
    score_heatmap.main(line)
    return pd.read_csv(root / "heatmap.csv")


def test_the_step_scores_both_models_and_their_difference(study):
    root, _ = study
    result = score(study, "--truth", str(root / "truth.parquet"))
    assert result["model"].unique().tolist() == ["mmcl", "mmcl_without_mdm", "mmcl - mmcl_without_mdm"]
    assert (result["n"] == 11).all()  # the twelfth was seen at another visit, where its heart lies elsewhere
    assert set(result["map"].dropna()) == {"3x3"}
    first, second, both = (result[result["model"] == name]["value"].to_numpy() for name in result["model"].unique())
    np.testing.assert_allclose(first - second, both, atol=1e-6)
    pd.testing.assert_frame_equal(result, score(study, "--truth", str(root / "truth.parquet")))
    assert "90003" not in (root / "heatmap.csv").read_text()
    finer = score(study, "--truth", str(root / "truth.parquet"), upsample=2)
    assert set(finer["map"].dropna()) == {"6x6"}


def with_infarcts(root, having):
    """Give the subjects at the places `having` an infarct of the anterior wall."""
    truth = pd.read_parquet(root / "truth.parquet").assign(lv_radius_px=10.0, infarct_segment=0)
    truth.loc[having, "infarct_segment"] = 7
    truth = truth.assign(infarct_from_degrees=60, infarct_to_degrees=120, infarct_inner_px=10.5, infarct_outer_px=14.0)
    truth.to_parquet(root / "infarcts.parquet")
    return str(root / "infarcts.parquet")


def test_the_step_scores_infarcts_of_those_who_have_one(study):
    root, _ = study
    plain = score(study, "--truth", str(root / "truth.parquet"))
    result = score(study, "--truth", with_infarcts(root, [1, 2, 19, 20, 22, 25, 28]))
    infarcts = result[result["measure"].isin(INFARCT.values())]
    pd.testing.assert_frame_equal(result.drop(infarcts.index).reset_index(drop=True), plain)
    assert infarcts["model"].value_counts().to_dict() == dict.fromkeys(result["model"].unique(), 3)
    assert (infarcts["n"] == 4).all()  # of the test split: 19, 22, 25, 28; 20 was seen at the second visit
    assert infarcts["value"].notna().all()
    assert infarcts["null_mean"].notna().sum() == 6


@pytest.mark.parametrize("having", [[], [22]])
def test_without_two_infarcts_there_are_no_rows_of_them(study, having):
    root, _ = study
    result = score(study, "--truth", with_infarcts(root, having))
    pd.testing.assert_frame_equal(result, score(study, "--truth", str(root / "truth.parquet")))


def test_the_step_says_that_no_ventricle_is_known(study):
    with pytest.raises(InputError, match=r"known of 0 test subjects, two are needed; see raw\.segmentations"):
        score(study)


def test_the_step_takes_segmentations_of_those_who_have_one(study, monkeypatch):
    root, _ = study
    visits = pd.read_parquet(root / "visits.parquet")
    visits.assign(segmentation=np.where(np.arange(30) % 2, "folder", "")).to_parquet(root / "visits.parquet")
    cine = Cine(np.zeros((8, 80, 80), np.int16), (2.0, 2.0), 4, 9, 0)
    mask = np.zeros((80, 80), bool)
    mask[30:50, 30:50] = True
    monkeypatch.setattr(ventricle, "read_middle_slice", lambda path, **limits: cine)
    monkeypatch.setattr(ventricle, "segmented_ventricle", lambda folder, found, frame: mask)
    assert (score(study)["n"] == 6).all()


def test_weights_of_another_network_are_refused(study):
    _, models = study
    files = [Path(word.partition("=")[2]) for word in models if word.startswith("mmcl=")]
    other = MODELS | {"projector": {"hidden": 16, "out": 4}}
    with pytest.raises(InputError, match="weights of another network"):
        load_towers(files, other)

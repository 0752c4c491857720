"""The step that measures similarity maps: on planted and segmented ventricles, with and without infarcts."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from report.maps.small_towers import MODELS, towers_of

from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.report.maps import ventricle
from cmr2ecg.report.maps.heatmap import INFARCT
from cmr2ecg.report.maps.similarity import load_towers, project_ecg, project_image
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import score_heatmap
from cmr2ecg.training.checkpoint import save_weights


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
    run_step(study, ["heatmap", "retrieval"], *more, **settings)
    return pd.read_csv(study[0] / "heatmap.csv")


def run_step(study, outputs, *more, **settings):
    root, models = study
    base = {"models": MODELS, "upsample": 1, "permutations": 99, "draws": 50, "seed": 0}
    base |= {"channels": ["es", "ed", "mid"], "read": {"minimum_slices": 8}}
    line = ["--settings", json.dumps(base | settings), "--models", *models, "--dataset", str(root / "dataset.h5")]
    line += ["--split", str(root / "split.csv"), "--visits", str(root / "visits.parquet")]
    line += ["--cmr", str(root / "0.h5"), "--memory-mb", "100", *more]
    line += [word for name in outputs for word in (f"--{name}", str(root / f"{name}.csv"))]
    score_heatmap.main(line)


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


def test_retrieval_is_among_all_test_subjects_whose_ventricle_is_known_or_not(study):
    root, _ = study
    score(study, "--truth", str(root / "truth.parquet"))
    result = pd.read_csv(root / "retrieval.csv").set_index(["model", "direction", "measure"])
    assert (result["n"] == 12).all() and len(result) == 2 * 2 * 4
    towers = towers_of(0)
    with h5py.File(root / "dataset.h5") as file:
        ecg, images = torch.from_numpy(file["ecg"][18:]), torch.from_numpy(file["cmr"][18:]).float()
    images = project_image(towers, images).numpy()  # the step's image size is that of the files
    similarity = project_ecg(towers, ecg).numpy() @ images.T
    for direction, table in (("ecg_to_cmr", similarity), ("cmr_to_ecg", similarity.T)):
        ranks = 1 + (table > table.diagonal()[:, None]).sum(axis=1)
        assert result.loc[("mmcl", direction, "r5"), "value"] == pytest.approx((ranks <= 5).mean())
        assert result.loc[("mmcl", direction, "median_rank"), "value"] == np.median(ranks)
    assert "90003" not in (root / "retrieval.csv").read_text()


def test_without_a_known_ventricle_retrieval_alone_is_measured(study):
    root, _ = study
    score(study, "--truth", str(root / "truth.parquet"))
    whole = (root / "retrieval.csv").read_text()
    for name in ("heatmap", "retrieval"):
        (root / f"{name}.csv").unlink()
    run_step(study, ["retrieval"])
    assert (root / "retrieval.csv").read_text() == whole
    assert not (root / "heatmap.csv").exists()


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

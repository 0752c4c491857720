"""Figure 6: cases are those the rules say, maps are those of the networks, a missing model is said, nobody is named."""

import io
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cmr2ecg.report.figures import figure_6, figure_6_ecg
from cmr2ecg.report.figures.map_cases import read_cases
from cmr2ecg.report.maps.cases import blur, extremeness, occlusion, pick_cases
from cmr2ecg.report.maps.heatmap import COLUMNS
from cmr2ecg.report.maps.similarity import build_towers, project_ecg, project_image, project_patches, project_regions
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.checkpoint import save_weights

N, SIZE = 30, 60
EIDS = 9000401 + np.arange(N)
HIDDEN, SMEARED, LARGE = 20, 24, 28  # rows of the subjects the rules ought to find
MODELS = {
    "ecg_encoder": {"leads": 12, "samples": 100, "patch": 50, "dim": 16, "depth": 1, "heads": 2},
    "cmr_encoder": {"name": "resnet10t", "image_size": 96},
    "projector": {"hidden": 16, "out": 8},
}
SETTINGS = {
    "models": MODELS,
    "channels": ["es", "ed", "mid"],
    "upsample": 1,
    "temperature": 1.0,
    "cases": {"random": 1, "occluded": 1, "motion": 1, "extreme": 1},
    "eids": [],
    "seed": 0,
    "sampling_rate_hz": 50,
}


def heart(rng):
    """Return a crop with a bright disc in the middle, noise, and a bright border."""
    rows, columns = np.indices((SIZE, SIZE)) - SIZE / 2
    disc = (np.hypot(rows, columns) < rng.uniform(10, 13)) * 0.8
    disc[:4] = 0.9
    return np.clip(disc + 0.02 * rng.standard_normal((3, SIZE, SIZE)), 0, 1)


@pytest.fixture
def study(tmp_path):
    """Files of 30 subjects; among the 15 of the test split are one hidden, one smeared and one large heart."""
    rng = np.random.default_rng(0)
    crops = np.stack([heart(rng) for _ in range(N)])
    crops[HIDDEN, :, 15:45, 15:45] *= 0.2
    crops[SMEARED] = gaussian_filter(crops[SMEARED], (0, 3, 3))
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["eid"], file["cmr"] = EIDS, crops.astype(np.float16)
        file["ecg"] = rng.standard_normal((N, 12, 160)).astype(np.float32)
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["eid"] = EIDS
        file["box"] = np.tile(np.float32([5, 5, 40, 50]), (N, 1))
        file["frames"] = np.tile(np.int16([5, 0, 3]), (N, 1))
    split = np.where(np.arange(N) < 15, "train", "test")
    pd.DataFrame({"eid": EIDS, "split": split}).to_csv(tmp_path / "split.csv", index=False)
    areas = rng.normal(2000, 50, (N, 2))
    areas[LARGE] *= 1.8
    qc = {"eid": EIDS, "status": "accepted", "row_mm": 2.0, "column_mm": 1.5}
    qc |= {"heart_row": 24.5, "heart_column": 29.5}  # the middle of the box
    qc |= {"area_es_mm2": areas[:, 0], "area_ed_mm2": areas[:, 1]}
    pd.DataFrame(qc).to_csv(tmp_path / "0.qc.csv", index=False)
    inputs = {"dataset": ["dataset.h5"], "split": ["split.csv"], "cmr": ["0.h5"], "qc": ["0.qc.csv"]}
    for seed, name in enumerate(("mmcl", "mmcl_without_mdm")):
        torch.manual_seed(seed)
        towers = build_towers(MODELS)
        (tmp_path / name).mkdir()
        inputs[name] = []
        for part in ("encoder", "projector", "image_encoder", "image_projector"):
            save_weights(tmp_path / name / f"{part}.safetensors", getattr(towers, part))
            inputs[name].append(f"{name}/{part}.safetensors")
    return {name: [tmp_path / path for path in paths] for name, paths in inputs.items()}


def towers_with(seed):
    torch.manual_seed(seed)
    return build_towers(MODELS)


def test_rules_find_what_they_are_named_for(study):
    cases = {case.kind: case for case in read_cases(SETTINGS, study)}
    assert cases["occluded"].eid == EIDS[HIDDEN]
    assert cases["motion"].eid == EIDS[SMEARED]
    assert cases["extreme"].eid == EIDS[LARGE]
    assert cases["random"].eid in EIDS[15:]
    assert cases["random"].size_mm == (80.0, 75.0)


def test_measures_move_as_they_should():
    crop = heart(np.random.default_rng(1))
    dark = crop.copy()
    dark[1, 20:40, 20:40] *= 0.3
    assert occlusion(dark, 1) > occlusion(crop, 1) + 0.3
    assert occlusion(dark, 0) == occlusion(crop, 0)
    assert occlusion(0.5 * crop, 1) == pytest.approx(occlusion(crop, 1))  # brightness alone is no occlusion
    aside, place = np.roll(crop, (6, -12), axis=(1, 2)), (0.6, 0.3)  # the box lies around both ventricles, not one
    assert occlusion(aside, 1, place) == pytest.approx(occlusion(crop, 1), abs=0.02)
    assert occlusion(aside, 1) > occlusion(aside, 1, place) + 0.3
    assert blur(aside, place) == pytest.approx(blur(crop))
    assert occlusion(crop, 1, (1.5, 0.5)) == 1
    assert blur(gaussian_filter(crop, (0, 2, 2))) > blur(crop)
    assert blur(0.5 * crop) == pytest.approx(blur(crop))
    assert extremeness(np.array([[100.0, 200], [100, 200], [100, 200], [300, 200]])).argmax() == 3


def test_nobody_is_taken_twice_and_the_seed_decides_the_random_ones():
    table = pd.DataFrame({"eid": EIDS, "occluded": np.arange(N), "motion": np.arange(N), "extreme": np.arange(N)})
    chosen = pick_cases(table, {"random": 3, "occluded": 2, "motion": 2, "extreme": 1}, 0)
    assert [kind for kind, _ in chosen] == ["random"] * 3 + ["occluded"] * 2 + ["motion"] * 2 + ["extreme"]
    assert len({eid for _, eid in chosen}) == 8
    assert chosen == pick_cases(table, {"random": 3, "occluded": 2, "motion": 2, "extreme": 1}, 0)
    assert chosen[:3] != pick_cases(table, {"random": 3}, 1)
    assert len(pick_cases(table, {"random": 100}, 0)) == N


def test_named_subjects_come_first_from_any_split_and_unknown_ones_stop(study):
    cases = read_cases(SETTINGS | {"eids": [int(EIDS[2]), int(EIDS[LARGE])]}, study)
    assert [(case.kind, case.eid) for case in cases[:2]] == [("named", EIDS[2]), ("named", EIDS[LARGE])]
    assert len({case.eid for case in cases}) == 6
    with pytest.raises(InputError, match=r"make_figure\.eids: 1 of 2 subjects are not in the dataset") as error:
        read_cases(SETTINGS | {"eids": [int(EIDS[2]), 9999999]}, study)
    assert "9999999" not in str(error.value)
    with pytest.raises(InputError, match="would be empty"):
        read_cases(SETTINGS | {"cases": dict.fromkeys(SETTINGS["cases"], 0)}, study)


def test_maps_are_those_of_the_networks(study):
    cases = read_cases(SETTINGS, study)
    maps = figure_6.similarity_maps(SETTINGS | {"temperature": 0.5}, study, cases)
    towers = towers_with(0)
    with h5py.File(study["dataset"][0]) as file:
        row = EIDS.tolist().index(cases[2].eid)
        ecg, image = torch.from_numpy(file["ecg"][row]), torch.from_numpy(file["cmr"][row].astype(np.float32))
    image = torch.nn.functional.interpolate(image[None], size=(96, 96), mode="bilinear", antialias=True)
    regions, signal = project_regions(towers, image)[0], project_ecg(towers, ecg[None])[0]
    np.testing.assert_allclose(maps["mmcl"][2], 2 * (regions @ signal).numpy(), atol=2e-3)  # images are float16


def test_both_models_are_drawn_over_the_image_in_mm(study):
    figure = figure_6.draw(SETTINGS, study)
    panels = np.array(figure.axes[:12]).reshape(3, 4)
    assert [axes.get_title() for axes in panels[0]] == ["A  random", "B  occluded", "C  motion", "D  extreme"]
    assert panels[1, 0].get_ylabel() == "MMCL w/o MDM\n[mm]"
    assert panels[2, 0].get_ylabel() == "MMCL (ours)\n[mm]"
    for axes in panels.ravel():
        assert list(axes.images[0].get_extent()) == [0, 75.0, 80.0, 0]
    limits = {axes.images[1].get_clim() for axes in panels[1:].ravel()}
    assert len(limits) == 1  # one scale for all
    first, second = (panels[row, 0].images[1].get_array() for row in (1, 2))
    assert not np.allclose(first, second)
    ring = panels[2, 0].get_lines()[0].get_xydata()[0]
    row, column = np.unravel_index(second.argmax(), second.shape)
    np.testing.assert_allclose(ring, [(column + 0.5) * 25, (row + 0.5) * 80 / 3])


def test_a_model_that_was_not_run_is_said(study):
    without = {name: paths for name, paths in study.items() if name != "mmcl"}
    figure = figure_6.draw(SETTINGS, without)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("not run") == 4
    assert len(texts) == 8  # the other model's panels tell their range
    ecg = figure_6_ecg.draw(SETTINGS, without)
    assert [text.get_text() for axes in ecg.axes for text in axes.texts] == ["not run"] * 4


def with_measures(study, grid="7x7"):
    """Return the inputs with heatmap.csv, and the ventricle planted in all but one of the subjects."""
    root = study["dataset"][0].parent
    rows = [
        (model, measure, value, 0.1, 0.2, 0.1, 0.143, 0.141, 0.146, 0.0004, 15, grid)
        for model in ("mmcl", "mmcl_without_mdm", "mmcl_shuffled")
        for measure, value in (("share", 0.161), ("pointing", 0.267), ("inside", 0.5), ("contrast", 0.1))
    ]
    rows += [("mmcl - mmcl_without_mdm", "share", 0.02, 0.01, 0.03, *[np.nan] * 4, 0.2, 15, "")]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(root / "heatmap.csv", index=False)
    truth = {"eid": EIDS, "centre_row": 24.5, "centre_column": 29.5, "epicardial_radius_px": 10.0}
    pd.DataFrame(truth).to_parquet(root / "truth.parquet")
    instance = np.where(np.arange(N) == LARGE, 3, 2)
    pd.DataFrame({"eid": EIDS, "instance": instance}).to_parquet(root / "visits.parquet")
    files = {"heatmap": "heatmap.csv", "truth": "truth.parquet", "visits": "visits.parquet"}
    return study | {name: [root / path] for name, path in files.items()}


def test_the_numbers_of_the_maps_are_written_above_them(study):
    figure = figure_6.draw(SETTINGS, with_measures(study))
    texts = [figure.axes[place].texts[-1].get_text() for place in (4, 8)]
    assert texts[0] == texts[1]
    assert texts[0].splitlines() == [
        "Share in the left ventricle: 0.161, permuted pairs 0.143 [0.141, 0.146], p < 0.001, n = 15",
        "Pointing: 0.267, permuted pairs 0.143 [0.141, 0.146], p < 0.001, n = 15",
    ]


@pytest.mark.parametrize("cases", [1, 4])
def test_the_text_above_a_row_overlaps_nothing(study, cases):
    figure = figure_6.draw(SETTINGS | {"cases": {"random": cases}}, with_measures(study))
    figure.draw_without_rendering()
    *panels, bar = figure.axes
    rows = np.array(panels).reshape(3, cases)
    for row, above in ((1, 0), (2, 1)):
        text = rows[row, 0].texts[-1].get_window_extent()
        assert rows[row, 0].get_window_extent().y1 < text.y0
        assert text.y1 < rows[above, 0].get_tightbbox().y0
        assert text.x1 < bar.get_tightbbox().x0
    for column in rows.T:
        assert len({round(panel.get_window_extent().x0) for panel in column}) == 1


@pytest.mark.parametrize("change", ["coarse", "absent"])
def test_without_a_measured_map_there_is_no_number(study, change):
    inputs = with_measures(study, "2x2")
    if change == "absent":
        inputs.pop("heatmap")
    figure = figure_6.draw(SETTINGS, inputs)
    assert not any("permuted" in text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_ventricle_is_outlined_in_the_image_where_it_is_known(study):
    figure = figure_6.draw(SETTINGS, with_measures(study))
    outlined = [axes.collections[0].get_paths()[0].vertices for axes in figure.axes[:4] if axes.collections]
    assert [axes.get_title() for axes in figure.axes[:4] if not axes.collections] == ["D  extreme"]  # second visit
    for outline in outlined:  # in the middle of a crop of 80 x 75 mm, pixels of 2 x 1.5 mm
        np.testing.assert_allclose(outline.min(axis=0), [37.5 - 15, 40 - 20], atol=1.5)
        np.testing.assert_allclose(outline.max(axis=0), [37.5 + 15, 40 + 20], atol=1.5)
    assert not any(axes.collections for axes in figure_6.draw(SETTINGS, study).axes[:4])


def test_the_ecg_side_shows_each_patch_of_each_lead(study):
    figure = figure_6_ecg.draw(SETTINGS, study)
    cases, towers = read_cases(SETTINGS, study), towers_with(0)
    mesh = figure.axes[0].collections[0]
    with h5py.File(study["dataset"][0]) as file:
        row = EIDS.tolist().index(cases[0].eid)
        ecg, image = torch.from_numpy(file["ecg"][row]), torch.from_numpy(file["cmr"][row].astype(np.float32))
    image = torch.nn.functional.interpolate(image[None], size=(96, 96), mode="bilinear", antialias=True)
    expected = project_patches(towers, ecg[None])[0] @ project_image(towers, image)[0]
    np.testing.assert_allclose(mesh.get_array().reshape(12, 2), expected.numpy(), atol=2e-3)
    assert figure.axes[0].get_xlim() == (0, 2.0)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()][:4] == ["I", "II", "III", "aVR"]


def test_same_bytes_again_and_nobody_is_named(study):
    for draw in (figure_6.draw, figure_6_ecg.draw):
        pictures = []
        for _ in range(2):
            buffer = io.BytesIO()
            draw(SETTINGS | {"eids": [int(EIDS[3])]}, study).savefig(buffer, format="svg", metadata={"Date": None})
            pictures.append(buffer.getvalue())
        assert not re.search(rb"90004\d\d", pictures[0])
    assert pictures[0].count(b"<path") == pictures[1].count(b"<path")

"""Figures 2 and 4: what is drawn is what the files say, a missing result is said, an inconsistent one stops."""

import io
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from cmr2ecg.metrics.predictions import Predictions, read_predictions
from cmr2ecg.metrics.scores import group_outputs, seed_metrics
from cmr2ecg.metrics.untrained import UNTRAINED_COLUMNS
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.report.figures import figure_2, figure_4
from cmr2ecg.report.inputs import named_inputs
from cmr2ecg.report.tables.supplements import every_phenotype
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.checkpoint import save_weights

EIDS = 9000201 + np.arange(60)
FOUR = {"phenotypes": ["LVEDV", "LVM", "RVEF"], "dots": 10, "seed": 0}


def write_predictions(root, target, outputs, eids=EIDS, seeds=((7, 10.0), (3, 0.0), (5, 90.0))):
    """Write predictions of (seed, noise); every third subject lacks y_true; y_score is 2 y + 5 without noise."""
    rng = np.random.default_rng(len(target))
    rows = []
    for output in outputs:
        y = rng.normal(100, 10, len(eids))
        y[::3] = np.nan
        for seed, noise in seeds:
            score = 2 * np.nan_to_num(y, nan=80) + 5 + noise * rng.standard_normal(len(eids))
            split = np.where(np.arange(len(eids)) < len(eids) // 2, "val", "test")
            rows.append({"seed": seed, "eid": eids, "split": split, "output": output, "y_true": y, "y_score": score})
    folder = root / "finetune" / "mmcl" / target / "100"
    folder.mkdir(parents=True)
    pd.concat(map(pd.DataFrame, rows)).to_parquet(folder / "predictions.parquet", index=False)
    return folder / "predictions.parquet"


def test_figure_4_draws_some_and_fits_all_measured_subjects_of_the_median_run(tmp_path):
    path = write_predictions(tmp_path, "lv", ["LVEDV", "LVM"])
    figure = figure_4.draw(FOUR, {"predictions": [path]})
    lvedv, lvm, rvef = figure.axes[:3]
    assert [axes.get_title("left") for axes in (lvedv, lvm, rvef)] == ["LVEDV [mL]", "LVM [g]", "RVEF [%]"]
    table = pd.read_parquet(path).query("split == 'test' and output == 'LVEDV' and seed == 7").dropna()
    dots = lvedv.collections[0].get_offsets()
    assert len(dots) == 10
    assert np.isclose(table[["y_true", "y_score"]].to_numpy()[:, None], dots).all(axis=2).any(axis=0).all()
    _, line = lvedv.get_lines()
    slope, intercept = np.polyfit(table["y_true"], table["y_score"], 1)
    np.testing.assert_allclose(line.get_ydata(), slope * line.get_xdata() + intercept)
    assert rvef.texts[0].get_text() == "not run"


def test_figure_4_prints_the_mean_r_of_the_tables_beside_that_of_the_run_it_draws(tmp_path):
    path = write_predictions(tmp_path, "lv", ["LVEDV", "LVM"])
    axes = figure_4.draw(FOUR, {"predictions": [path]}).axes[0]
    metrics = seed_metrics(group_outputs(read_predictions(path), "test"))
    sheet = every_phenotype({"metrics": metrics, "untrained": pd.DataFrame(columns=UNTRAINED_COLUMNS)})
    (row,) = [row for row in sheet.rows if row[1] == "LV end diastolic volume"]
    (drawn,) = metrics.query("output == 'LVEDV' and seed == 7")["value"]
    assert axes.texts[0].get_text() == f"r = {row[sheet.head.index('MMCL (ours)')]} ({drawn:.2f})\nn = 20"


def test_figure_4_of_a_single_run_has_one_r(tmp_path):
    path = write_predictions(tmp_path, "lv", ["LVEDV"], seeds=((3, 0.0),))
    figure = figure_4.draw(FOUR, {"predictions": [path]})
    assert figure.axes[0].texts[0].get_text() == "r = 1.00\nn = 20"
    assert "median" not in figure.get_supxlabel()


@pytest.mark.parametrize(("by_seed", "place"), [([0.2], 0), ([0.9, 0.1, 0.5], 2), ([0.3, 0.1, 0.2, 0.4], 2)])
def test_the_run_drawn_is_of_median_validation_score_whatever_it_does_on_test(by_seed, place):
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(200)
    other = rng.standard_normal(200)
    scores = np.array([r * truth + np.sqrt(1 - r**2) * other for r in by_seed])
    entries = [
        Predictions(None, "finetune", "mmcl", "lv", 100, split, "LVM", EIDS, truth, np.arange(len(scores)), said)
        for split, said in (("val", scores), ("test", -scores))
    ]
    assert figure_4.median_run(entries) == place
    none = [replace(entry, scores=np.ones_like(entry.scores)) for entry in entries]
    assert figure_4.median_run(none) == (len(by_seed) - 1) // 2


def test_figure_4_without_any_phenotype_is_empty_panels():
    figure = figure_4.draw(FOUR, {})
    assert [axes.texts[0].get_text() for axes in figure.axes[:3]] == ["not run"] * 3


def test_figure_4_stops_at_targets_of_different_splits(tmp_path):
    paths = [write_predictions(tmp_path, "lv", ["LVEDV"]), write_predictions(tmp_path, "rv", ["RVEF"], EIDS + 1)]
    with pytest.raises(InputError, match="hold different subjects in the test split"):
        figure_4.draw(FOUR, {"predictions": paths})


def test_figure_4_has_no_line_for_a_constant_prediction(tmp_path):
    path = write_predictions(tmp_path, "rv", ["RVEF"])
    pd.read_parquet(path).assign(y_score=3.0).to_parquet(path)
    figure = figure_4.draw(FOUR, {"predictions": [path]})
    assert figure.axes[2].texts[0].get_text().startswith("r not defined")
    assert len(figure.axes[2].get_lines()) == 1


MODELS = {
    "ecg_encoder": {"leads": 12, "samples": 200, "patch": 50, "dim": 16, "depth": 1, "heads": 2},
    "mae_decoder": {"dim": 16, "depth": 1, "heads": 2},
}
TWO = {"models": MODELS, "mask_ratio": 0.75, "leads": ["II", "V5"], "seed": 0, "sampling_rate_hz": 50}


@pytest.fixture
def pretrained(tmp_path):
    """A random autoencoder and the dataset it is tried on."""
    torch.manual_seed(0)
    autoencoder = MaskedAutoencoder(EcgEncoder(**MODELS["ecg_encoder"]), **MODELS["mae_decoder"])
    save_weights(tmp_path / "autoencoder.safetensors", autoencoder)
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["eid"] = EIDS
        file["ecg"] = np.random.default_rng(0).standard_normal((len(EIDS), 12, 400)).astype(np.float32)
    split = np.where(np.arange(len(EIDS)) < 50, "train", "val")
    pd.DataFrame({"eid": EIDS, "split": split}).to_csv(tmp_path / "split.csv", index=False)
    names = {"autoencoder": "autoencoder.safetensors", "dataset": "dataset.h5", "split": "split.csv"}
    return {name: [tmp_path / path] for name, path in names.items()}


def test_figure_2_hides_what_was_masked_and_shows_the_original(pretrained):
    figure = figure_2.draw(TWO, pretrained)
    grid = np.array(figure.axes).reshape(2, 3)
    with h5py.File(pretrained["dataset"][0]) as file:
        validation = file["ecg"][50:, :, :200]
    original = grid[0, 2].get_lines()[0].get_ydata()
    assert np.isclose(validation[:, 1], original).all(axis=1).sum() == 1  # lead II of one validation subject
    masked = grid[0, 0].get_lines()[0].get_ydata()
    shown = np.isfinite(masked)
    np.testing.assert_array_equal(masked[shown], original[shown])
    assert (shown.reshape(4, 50).all(axis=1) | ~shown.reshape(4, 50).any(axis=1)).all()  # whole patches
    assert grid[0, 2].get_lines()[0].get_xdata()[-1] == pytest.approx(199 / 50)
    assert "75% of patches hidden" in grid[0, 0].get_title()


def test_reconstruction_leaves_visible_patches_to_the_mask(pretrained):
    autoencoder = figure_2.load_autoencoder(pretrained["autoencoder"][0], MODELS)
    record = np.random.default_rng(1).standard_normal((12, 200))
    noise = np.arange(48)[None] / 48
    made, hidden = figure_2.reconstruct(autoencoder, record, noise, 0.75)
    assert made.shape == hidden.shape == (12, 200)
    assert not hidden[:3].any()  # the lowest 12 of 48 stay visible, lead after lead
    assert hidden[3:].all()


def test_figure_2_refuses_weights_of_another_network(pretrained):
    other = {**TWO, "models": {**MODELS, "mae_decoder": {"dim": 8, "depth": 1, "heads": 2}}}
    with pytest.raises(InputError, match="weights of another network"):
        figure_2.draw(other, pretrained)


def test_figures_have_the_same_bytes_again(pretrained, tmp_path):
    path = write_predictions(tmp_path, "lv", ["LVEDV", "LVM"])
    for draw in (lambda: figure_2.draw(TWO, pretrained), lambda: figure_4.draw(FOUR, {"predictions": [path]})):
        pictures = []
        for _ in range(2):
            buffer = io.BytesIO()
            draw().savefig(buffer, format="pdf", metadata={"CreationDate": None, "Producer": None})
            pictures.append(buffer.getvalue())
        assert pictures[0] == pictures[1]


def test_inputs_by_name():
    found = named_inputs(["a=x/y.csv", "b=1", "b=2=3"])
    assert {name: list(map(str, paths)) for name, paths in found.items()} == {"a": ["x/y.csv"], "b": ["1", "2=3"]}
    for word in ("a", "=b", "a="):
        with pytest.raises(InputError, match="expected NAME=PATH"):
            named_inputs([word])

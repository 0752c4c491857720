"""A release: whole, checked by its sums, and what it says follows from its networks and the validation split."""

import json
import os

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from release_setups import PREVALENCE, SEEDS, SIZES, SMOOTHING, make_release
from safetensors.torch import load_file

from cmr2ecg.metrics import calibration
from cmr2ecg.metrics.predictions import read_predictions
from cmr2ecg.metrics.scores import group_outputs
from cmr2ecg.metrics.untrained import Training
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict import calibrate
from cmr2ecg.predict.build import validation
from cmr2ecg.predict.card import metadata, model_card
from cmr2ecg.predict.ensemble import build_encoder, build_ensemble, embed, predict
from cmr2ecg.predict.onnx_file import example
from cmr2ecg.predict.release import read_config, read_release, write_sums
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps.release import pretrained_on


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def copy(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_networks_are_the_fits_own(folder):
    ecg = example(5000)
    found = predict(build_ensemble(read_release(folder)), ecg)
    for target, outputs in (("cad", 1), ("lv", 6), ("wt", 17)):
        assert found[target].shape == (len(SEEDS), 2, outputs)
        network = EcgPredictor(EcgEncoder(**SIZES), 2 if target == "cad" else outputs)
        path = folder.parents[1] / f"finetune/mmcl/{target}/100/seeds/{SEEDS[1]}.safetensors"
        network.load_state_dict(load_file(path))
        with torch.inference_mode():
            wanted = network.eval()(torch.from_numpy(ecg[..., :2500]))
        wanted = wanted.softmax(1)[:, 1:] if target == "cad" else wanted * 10 + 100
        np.testing.assert_allclose(found[target][1], wanted.numpy(), rtol=1e-5)


def test_embeddings_are_the_encoders(folder):
    encoder, ecg = EcgEncoder(**SIZES), example(5000)
    encoder.load_state_dict(load_file(folder.parents[1] / "encoder.safetensors"))
    with torch.inference_mode():
        wanted = encoder.eval()(torch.from_numpy(ecg[..., :2500])).numpy()
    np.testing.assert_allclose(embed(build_encoder(read_release(folder)), ecg), wanted, rtol=1e-5, atol=1e-6)


def test_only_the_validation_split_counts(folder):
    predictions = pd.read_parquet(folder.parents[1] / "finetune/mmcl/cad/100/predictions.parquet")
    truth, scores = validation(predictions, "cad")
    about = json.loads((folder / "config.json").read_text())["targets"]["cad"]["calibration"]
    assert about["n_val"] == len(truth) == 30 and about["prevalence"] == PREVALENCE
    spoilt = predictions.assign(y_true=predictions["y_true"].where(predictions["split"] == "val", 1))
    assert calibrate.fit_risk(*validation(spoilt, "cad"), PREVALENCE, SMOOTHING) == about
    assert scores.shape == (3, 30)


def test_the_card_names_what_a_reader_must_know(folder):
    card = (folder / "README.md").read_text()
    for words in (
        "Intended use",
        "not a medical device",
        "synthetic",
        "no ECG file",
        "0.750",
        "female",
        "prevalence 0.3000",
    ):
        assert words in card
    assert not any(str(eid) in card for eid in range(9000001, 9000201))


def test_hugging_face_reads_the_cards_metadata(folder):
    card = ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.license) == ("cmr2ecg", "mit") and "ecg" in card.data.tags
    (score,) = card.data.eval_results
    assert (score.metric_type, score.metric_value, score.dataset_split) == ("roc_auc", 0.75, "test")
    assert card.text.startswith("\n# mmcl: risks and cardiac phenotypes")
    real = metadata(
        {"synthetic": False, "cohort": "ukb", "name": "mmcl"}, pd.DataFrame(columns=["target", "metric", "mean"])
    )
    assert "license: other" in real and "synthetic" not in real


def test_the_card_of_a_disease_of_ones_own_says_by_which_codes_it_was_told(tmp_path):
    folder = make_release(tmp_path, targets=("hf",))
    assert read_config(folder)["targets"]["hf"]["codes"] == ["I50", "I110"]
    card = (folder / "README.md").read_text()
    assert "- `hf`, HF (ICD-10 I50, I110): 1 output, 3 networks (seeds), trained on 40 subjects" in card
    assert "--prevalence hf=0.05" in card and "cad" not in card


def test_the_card_of_phenotypes_alone_has_no_prevalence_to_give(tmp_path):
    card = (make_release(tmp_path, targets=("lv",)) / "README.md").read_text()
    assert "--prevalence lv" not in card and "- lv: intervals at 90%" in card


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"n_train": 1200, "n_unpaired": 1050}, "1,200 recordings, 1,050 of them of no split, without an image or a l"),
        ({"n_train": 120}, "pre-trained on 120 recordings.\n"),
        ({"imported": True}, ""),
        (None, ""),
    ],
)
def test_the_card_says_what_the_encoder_was_pre_trained_on(tmp_path, result, said):
    if result is not None:
        (tmp_path / "result.json").write_text(json.dumps(result))
    counts = pretrained_on(tmp_path / "encoder.safetensors")
    assert counts == ({"n_unpaired": 0, **result} if said else {})
    config = json.loads((make_release(tmp_path / "made", targets=("lv",)) / "config.json").read_text())
    assert config["pretraining"] == {"n_train": 1200, "n_unpaired": 1050}
    flow = pd.DataFrame(columns=["step", "reason", "n_in", "n_out"])
    tables = {name: pd.read_csv(tmp_path / f"made/{name}.csv") for name in ("intervals", "analyses", "calibration")}
    population = {"kind": "ukb", "coding": "ICD-10", "several": "subjects", "balanced": True}
    card = model_card(config | {"pretraining": counts}, flow, tables, {"train": 3}, population)
    assert said in card and ("was pre-trained" in card) == bool(said)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_or_missing_file_is_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-2] + b" " + content[-1:])
    with pytest.raises(InputError, match=r"SHA-256|not a readable"):
        read_release(copy)
    (copy / name).unlink()
    with pytest.raises(InputError, match=r"not a release|not a complete release"):
        read_release(copy)


def test_settings_of_other_networks_are_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config["models"]["ecg_encoder"]["dim"] = 32
    (copy / "config.json").write_text(json.dumps(config))
    write_sums(copy)
    with pytest.raises(InputError, match=r"does not fit config.json \(cad, seed 0\)"):
        build_ensemble(read_release(copy))


def test_a_release_needs_every_seed(tmp_path, folder):
    other = tmp_path / "other"
    other.mkdir()
    make_release(other, targets=("cad",))
    (other / "finetune/mmcl/cad/100/seeds/101.safetensors").unlink()
    from cmr2ecg.predict.build import collect_weights

    with pytest.raises(InputError, match="every seed"):
        collect_weights(other / "finetune/mmcl/cad/100", {"seeds": SEEDS})


def test_recalibrated_risks_have_the_prevalence_and_slope_of_the_labels():
    rng = np.random.default_rng(0)
    odds = rng.normal(-2, 1.5, 4000)
    truth = (rng.random(4000) < 1 / (1 + np.exp(-odds))).astype(float)
    overconfident = 1 / (1 + np.exp(-(2 * odds + 4)))  # as if from a balanced training set, and twice too sure
    about = calibrate.fit_risk(truth, np.stack([overconfident] * 2), truth.mean())
    risk, std = calibrate.risk_of(np.stack([overconfident] * 2), about)
    assert abs(risk.mean() - truth.mean()) < 1e-4 and abs(about["slope"] - 0.5) < 0.05
    np.testing.assert_allclose(std, 0, atol=1e-12)
    rarer, _ = calibrate.risk_of(np.stack([overconfident] * 2), about, 0.01)
    assert (rarer < risk).all()


def test_risks_before_recalibration_are_those_of_the_evaluation(folder):
    """Of the same networks: the curve's bins, one a subject, hold what the release says at slope 1 and intercept 0."""
    fit = folder.parents[1] / "finetune/mmcl/cad/100"
    result, (model,) = (
        json.loads((fit / "result.json").read_text()),
        group_outputs(read_predictions(fit / "predictions.parquet"), "test"),
    )
    trained = {model.first.model: Training.of(result)}
    _, curve = calibration.calibrate([model], PREVALENCE, len(model.first.eid), trained)
    about = read_config(folder)["targets"]["cad"]["calibration"]
    assert about["label_smoothing"] == SMOOTHING
    ours, _ = calibrate.risk_of(model.first.scores, about | {"slope": 1.0, "intercept": 0.0})
    np.testing.assert_allclose(np.sort(ours), curve["predicted"], rtol=1e-9)


def test_what_a_killed_job_left_is_not_in_the_sums(copy):
    before = (copy / "SHA256SUMS").read_text()
    (copy / ".model.onnx.4711.partial").write_bytes(b"half of it")
    write_sums(copy)
    assert (copy / "SHA256SUMS").read_text() == before


def test_a_release_of_before_reads_as_it_did(copy):
    """Format 1 knows no label smoothing: none is undone, for its slope was fitted without."""
    config = json.loads((copy / "config.json").read_text())
    config["format"] = 1
    del config["targets"]["cad"]["calibration"]["label_smoothing"]
    (copy / "config.json").write_text(json.dumps(config))
    write_sums(copy)
    about = read_release(copy).config["targets"]["cad"]["calibration"]
    risks = np.array([[0.2, 0.7]])
    odds = calibrate.log_odds(calibrate.correct_prior(risks, PREVALENCE))
    wanted = 1 / (1 + np.exp(-(about["slope"] * odds + about["intercept"])))
    np.testing.assert_allclose(calibrate.risk_of(risks, about)[0], wanted[0], rtol=1e-12)


def test_a_prediction_that_knows_nothing_gets_no_inverted_slope():
    truth, risks = np.array([0.0, 0, 0, 1]), np.array([[0.9, 0.8, 0.7, 0.1]])
    assert calibrate.fit_risk(truth, risks, 0.25)["slope"] == 1.0


def test_a_handful_of_subjects_cannot_make_the_slope_huge():
    truth, risks = np.array([0.0, 0, 0, 1, 1]), np.array([[0.5, 0.5001, 0.5002, 0.5003, 0.5004]])
    about = calibrate.fit_risk(truth, risks, 0.4)
    risk, _ = calibrate.risk_of(risks, about)
    assert about["slope"] == pytest.approx(1, abs=0.01) and risk.mean() == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_hold_their_share_of_new_subjects(coverage):
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        errors = rng.standard_t(3, (2, 40))
        about = calibrate.fit_interval(errors[0], np.zeros((3, 40)), coverage)
        held.append((np.abs(errors[1]) <= about["half_width"]).mean())
    assert abs(np.mean(held) - coverage) < 0.03


def test_too_few_subjects_for_an_interval_say_so():
    about = calibrate.fit_interval(np.array([1.0, np.nan, 3.0]), np.zeros((2, 3)), 0.9)
    assert about == {"half_width": 3.0, "n_val": 2, "coverage": 2 / 3}


@pytest.mark.parametrize("text", ["cad", "cad=x", "cad=0", "cad=1.2", "xyz=0.1"])
def test_a_prevalence_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="--prevalence"):
        calibrate.check_prevalences([text], ["cad", "af"])


CHANGES = {
    "name": 3,
    "cohort": "a\nb",
    "clean_ecg": [],
    "clean_ecg.samples": "5000",
    "clean_ecg.sampling_rate_hz": True,
    "clean_ecg.clip_std": float("nan"),
    "clean_ecg.baseline": {},
    "clean_ecg.baseline.lam": 10**400,
    "clean_ecg.quality.max_mv": None,
    "models": {},
    "models.ecg_encoder.dim": 10**9,
    "models.ecg_encoder.patch": 0,
    "models.ecg_encoder.samples": 10_000,
    "models.ecg_encoder.heads": 5,
    "models.ecg_encoder.strange": 1,
    "models.ecg_encoder.patch ": 7,
    "targets": [],
    "targets.cad": None,
    "targets.cad.seeds": 3,
    "targets.cad.outputs": [],
    "targets.cad.pooling": "x",
    "targets.cad.evaluation_crops": 0,
    "targets.cad.calibration": 1,
    "targets.cad.calibration.slope": "1",
    "targets.cad.calibration.prevalence": 2,
    "targets.cad.calibration.label_smoothing": 1.0,
    "targets.lv.scale.std": [1.0],
    "targets.lv.units": {},
    "targets.lv.intervals.LVEF.half_width": -1,
}


MAY_BE_ABSENT = ("models.ecg_encoder.strange", "models.ecg_encoder.patch ", "targets.cad", "targets.cad.calibration")


@pytest.mark.parametrize(
    ("place", "value", "gone"),
    [
        (*change, gone)
        for change in CHANGES.items()
        for gone in (False, True)
        if not gone or change[0] not in MAY_BE_ABSENT
    ],
)
def test_odd_settings_are_refused_in_one_line(copy, place, value, gone):
    config = json.loads((copy / "config.json").read_text())
    *above, name = place.strip().split(".")
    part = config
    for key in above:
        part = part[key]
    part.pop(name) if gone else part.update({name: value})
    (copy / "config.json").write_text(json.dumps(config))
    write_sums(copy)
    with pytest.raises(InputError) as refused:
        build_ensemble(read_release(copy))
    assert "config.json" in str(refused.value) and len(str(refused.value)) < 400 and "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "1" * 5000, '{"format": 1}', "\udcff", '{"format": [1]}'])
def test_files_that_are_no_settings_are_refused(copy, text):
    (copy / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"config\.json"):
        read_config(copy)


@pytest.mark.parametrize("name", ["config.json", "SHA256SUMS"])
def test_a_pipe_in_a_release_holds_nothing_up(copy, name):
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(InputError, match=name):
        read_release(copy)

"""The contrastive baselines as a step: every one writes its folder, and result.json states what was run."""

import json

import h5py
import numpy as np
import pytest
import torch
from paper_settings import paper_settings
from safetensors.torch import load_file

from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.steps import pretrain_mae
from cmr2ecg.steps.pretrain_contrastive import main
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES


def test_the_config_names_the_objectives():
    assert set(paper_settings()["pretrain"]["contrastive"]) == set(OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_baseline_writes_an_encoder_that_can_be_fine_tuned(name, small_dataset, small_models, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    method = paper_settings()["pretrain"]["contrastive"][name]
    method |= {"epochs": 2, "batch_size": 12, "base_lr": 3e-3, "lr_reference_batch": 4}
    method["projector"] = {"hidden": 16, "out": 8}
    settings = {"method": method, "models": {"ecg_encoder": small_models["ecg_encoder"]}}
    settings |= {"device": "cpu", "precision": "fp32"}
    files = {"--dataset": "dataset.h5", "--split": "split.csv"}
    arguments = [text for option, file in files.items() for text in (option, str(small_dataset / file))]
    main(["--settings", json.dumps(settings), *arguments, "--output", str(tmp_path / name), "--baseline", name])

    result = json.loads((tmp_path / name / "result.json").read_text())
    assert result["learning_rate"] == pytest.approx(3e-3 * 12 / 4)
    assert (result["step"], result["name"], result["n_train"]) == ("pretrain_contrastive", name, 24)
    rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1]
    state = load_file(tmp_path / name / "encoder.safetensors")
    EcgEncoder(**small_models["ecg_encoder"]).load_state_dict(state)


def test_an_unknown_baseline_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--dataset", "a", "--split", "b", "--output", "c", "--baseline", "moco"])
    assert "invalid choice: 'moco'" in capsys.readouterr().err


def test_unpaired_ecgs_are_trained_on_and_not_validated_on(small_dataset, small_models, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    with h5py.File(tmp_path / "unpaired.h5", "w") as file:
        file["eid"] = 9000101 + np.arange(10)
        file["ecg"] = np.random.default_rng(0).normal(size=(10, 12, 5000)).astype("f4")
    method = paper_settings()["pretrain"]["mae"] | {"epochs": 1, "batch_size": 12, "base_lr": 1e-3}
    settings = {"method": method, "models": small_models, "device": "cpu", "precision": "fp32"}
    read, results = [], {}
    monkeypatch.setattr(PairedData, "batches", noted(PairedData.batches, read))
    given = ["--unpaired", str(tmp_path / "unpaired.h5")]
    for name, wanted, extra in (("pairs", True, []), ("both", True, given), ("unwanted", False, given)):
        settings["method"]["unpaired"] = wanted
        files = ["--dataset", str(small_dataset / "dataset.h5"), "--split", str(small_dataset / "split.csv")]
        pretrain_mae.main(["--settings", json.dumps(settings), *files, *extra, "--output", str(tmp_path / name)])
        results[name] = json.loads((tmp_path / name / "result.json").read_text())
    assert read == [
        24,
        12,
        34,
        12,
        24,
        12,
    ]  # train and val, of pairs alone, with the unpaired, and where they are unwanted
    assert (results["pairs"]["n_train"], results["both"]["n_train"]) == (24, 34)
    assert results["both"]["n_unpaired"] == 10 and "n_unpaired" not in results["pairs"] | results["unwanted"]
    assert results["both"]["n_val"] == results["pairs"]["n_val"] == 12
    assert "unpaired.h5" in str(results["both"]["provenance"]["inputs"])


def noted(batches, read):
    """Return `batches` of PairedData, which notes how many subjects are read."""

    def batches_of(data, pieces):
        read.append(sum(map(len, pieces)))
        return batches(data, pieces)

    return batches_of

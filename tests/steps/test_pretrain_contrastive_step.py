"""The contrastive baselines as a step: every one writes its folder, and result.json states what was run."""

import json

import pytest
import torch
from safetensors.torch import load_file

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.steps.pretrain_contrastive import main
from cmr2ecg.training.contrastive import OBJECTIVES


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

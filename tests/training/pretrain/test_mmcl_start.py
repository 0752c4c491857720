"""MMCL starts from the encoders it is given, saves all four networks, and its loss needs the right pairs."""

import pytest
import torch
from safetensors.torch import load_file
from training.pretrain.small_objectives import small_settings

from cmr2ecg.steps.pretrain_mmcl import build
from cmr2ecg.training.checkpoint import save_weights
from cmr2ecg.training.pretrain.loop import save_networks
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective


def same(a, b) -> bool:
    return all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.fixture
def starts(small_models, tmp_path):
    """Encoders of a masked autoencoder and of SimCLR on disk."""
    torch.manual_seed(1)
    mae = MaeObjective(small_models, small_settings("mae")).networks()["encoder"]
    cmr = CmrSimclrObjective(small_models, small_settings("cmr")).networks()["encoder"]
    for name, network in (("mae", mae), ("cmr", cmr)):
        save_weights(tmp_path / f"{name}.safetensors", network)
    return tmp_path


@pytest.mark.parametrize("with_mdm", [True, False])
def test_encoders_start_where_they_should(starts, small_models, with_mdm):
    ecg, settings = starts / "mae.safetensors", small_settings("mmcl")
    torch.manual_seed(2)
    objective = build(small_models, settings, ecg if with_mdm else None, starts / "cmr.safetensors")
    torch.manual_seed(2)
    fresh = MmclObjective(small_models, settings)
    assert same(load_file(starts / "cmr.safetensors"), objective.cmr_encoder.state_dict())
    assert same(load_file(ecg), objective.ecg_encoder.state_dict()) == with_mdm
    assert same(fresh.ecg_encoder.state_dict(), objective.ecg_encoder.state_dict()) != with_mdm


def test_both_encoders_and_both_projectors_are_saved(small_models, tmp_path):
    objective = MmclObjective(small_models, small_settings("mmcl"))
    save_networks(objective, tmp_path)
    parts = {
        "encoder": objective.ecg_encoder,
        "image_encoder": objective.cmr_encoder,
        "projector": objective.ecg_projector,
        "image_projector": objective.cmr_projector,
    }
    assert {path.stem for path in tmp_path.iterdir()} == parts.keys()
    for name, network in parts.items():
        assert same(load_file(tmp_path / f"{name}.safetensors"), network.state_dict())


def test_the_loss_has_the_orientation_of_equation_6(small_models):
    """Images that all look alike cannot tell signals apart; lambda weighs the terms whose anchor is an image."""
    objective = MmclObjective(small_models, small_settings("mmcl") | {"temperature": 1.0, "image_weight": 1.0})
    signal = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    image = signal.roll(1, 0) * 3
    image[0] = 1.0
    loss = objective.loss_from({"ecg": signal, "cmr": image})
    similarity = torch.nn.functional.normalize(image, dim=1) @ signal.T
    expected = -similarity.log_softmax(dim=1).diagonal().mean()  # each row is one image against all signals
    assert loss == pytest.approx(float(expected), rel=1e-5)

"""The MAE objective loaded with the reference state gives the reference's losses; its encoder has its own positions."""

import pytest
import torch

from cmr2ecg.models.position_embedding import sincos_2d
from cmr2ecg.training.pretrain.mae import MaeObjective

MODELS = {
    "ecg_encoder": {"samples": 500, "patch": 100, "dim": 24, "depth": 2, "heads": 2},
    "mae_decoder": {"dim": 16, "depth": 1, "heads": 2},
}


@torch.no_grad()
@pytest.mark.parametrize(
    ("key", "patches", "ncc_weight"),
    [
        ("loss_mse_all_patches", "all_patches", 0.0),
        ("loss_masked_patches_only", "masked_patches", 0.0),
        ("loss_with_ncc_0.1", "all_patches", 0.1),
    ],
)
def test_the_whole_objective_gives_the_reference_losses(golden, key, patches, ncc_weight):
    objective = MaeObjective(MODELS, {"mask_ratio": 0.8, "loss": patches, "ncc_weight": ncc_weight}).eval()
    state = {}
    for name in (key.removeprefix("mae.state.") for key in golden if key.startswith("mae.state.")):
        owner = "" if name.startswith(("decoder", "mask_token")) else "encoder."
        state[owner + name] = torch.from_numpy(golden[f"mae.state.{name}"])
    objective.autoencoder.load_state_dict(state)
    ecg, noise = torch.from_numpy(golden["mae.signal"])[:, 0], torch.from_numpy(golden["mae.noise"])
    assert objective.loss(ecg, noise).item() == pytest.approx(float(golden[f"mae.{key}"]), rel=1e-4)


def test_the_autoencoders_positions_are_a_setting_of_its_own():
    """The authors train the MAE on fixed sines and cosines while every other encoder's positions are random."""
    models = MODELS | {
        "ecg_encoder": MODELS["ecg_encoder"] | {"position_embedding": {"init": "random", "trainable": True}}
    }
    settings = {"position_embedding": {"init": "sincos", "trainable": False}}
    encoder = MaeObjective(models, settings).networks()["encoder"]
    assert encoder.pos_embed[0].equal(sincos_2d(24, 12, 5)) and not encoder.pos_embed.requires_grad

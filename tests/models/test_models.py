"""The networks agree with the reference state, have the paper's size, and train whole."""

import numpy as np
import pytest
import torch

from cmr2ecg.models.classifier import CmrPredictor, EcgCnnPredictor, EcgPredictor
from cmr2ecg.models.ecg_cnn import Block, EcgCnn
from cmr2ecg.models.mae import MaskedAutoencoder
from cmr2ecg.models.position_embedding import sincos_2d
from cmr2ecg.models.projector import projector
from cmr2ecg.models.resnet import cmr_encoder, feature_map
from cmr2ecg.models.vit import EcgEncoder, patchify
from cmr2ecg.runtime.command import InputError


def golden_autoencoder(golden: dict[str, np.ndarray]) -> MaskedAutoencoder:
    encoder = EcgEncoder(samples=500, patch=100, dim=24, depth=2, heads=2)
    autoencoder = MaskedAutoencoder(encoder, dim=16, depth=1, heads=2)
    state = {}
    for key in golden:
        if key.startswith("mae.state."):
            name = key.removeprefix("mae.state.")
            owner = "" if name.startswith(("decoder", "mask_token")) else "encoder."
            state[owner + name] = torch.from_numpy(golden[key])
    autoencoder.load_state_dict(state)
    return autoencoder.eval()


def test_position_embedding_equals_the_reference(golden):
    np.testing.assert_allclose(sincos_2d(384, 12, 25), golden["pos_embed_384_12x25"], rtol=1e-4, atol=1e-5)


def test_position_embedding_tells_every_patch_apart():
    embedding = sincos_2d(64, 12, 10)[1:]
    distances = torch.cdist(embedding, embedding) + 10 * torch.eye(120)
    assert distances.min() > 0.1


def test_position_embedding_refuses_odd_sizes():
    with pytest.raises(ValueError, match="divisible by 4"):
        sincos_2d(30, 12, 25)


@torch.no_grad()
def test_masked_autoencoder_equals_the_reference(golden):
    autoencoder = golden_autoencoder(golden)
    ecg, noise = torch.from_numpy(golden["mae.signal"])[:, 0], torch.from_numpy(golden["mae.noise"])
    latent, mask, _ = autoencoder.forward_encoder(ecg, noise, 0.8)
    prediction, _ = autoencoder(ecg, noise, 0.8)
    encoder = autoencoder.encoder
    unmasked = encoder.norm(encoder.encode_tokens(encoder.embed_patches(ecg)))
    for ours, key in ((latent, "latent"), (mask, "mask"), (prediction, "pred"), (unmasked, "latent_unmasked")):
        np.testing.assert_allclose(ours, golden[f"mae.{key}"], rtol=1e-4, atol=1e-5, err_msg=key)


def test_patches_are_embedded_as_timms_convolution_does_it():
    torch.manual_seed(0)
    encoder, ecg = EcgEncoder(samples=500, patch=100, dim=24, depth=1, heads=2), torch.randn(3, 12, 500)
    kernel, weights = encoder.patch_embed.proj, torch.randn(3, 60, 24)
    gradients = []
    for tokens in (encoder.embed_patches(ecg), encoder.patch_embed(ecg[:, None]) + encoder.pos_embed[:, 1:]):
        gradients.append(
            [tokens.detach(), *torch.autograd.grad((tokens * weights).sum(), [kernel.weight, kernel.bias])]
        )
    for ours, timms in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, timms, rtol=1e-4, atol=1e-4)


def test_the_papers_encoder_has_the_papers_size():
    encoder = EcgEncoder()
    assert encoder.grid == (12, 25)
    trainable = sum(value.numel() for value in encoder.parameters() if value.requires_grad)
    assert trainable == pytest.approx(5.36e6, rel=0.001)
    predictor = EcgPredictor(encoder, outputs=2)
    assert sum(v.numel() for v in predictor.parameters() if v.requires_grad) == pytest.approx(6.07e6, rel=0.001)


def test_mask_keeps_the_stated_number_of_patches():
    autoencoder = MaskedAutoencoder(EcgEncoder(dim=16, depth=1, heads=2), dim=16, depth=1, heads=2)
    _, mask = autoencoder(torch.randn(2, 12, 2500), torch.rand(2, 300), 0.8)
    assert (mask == 0).sum(dim=1).tolist() == [59, 59]


def test_hidden_patches_do_not_reach_the_prediction():
    """Changing a masked patch of the input changes nothing; changing a visible one does."""
    torch.manual_seed(0)
    autoencoder = MaskedAutoencoder(EcgEncoder(samples=500, dim=16, depth=1, heads=2), dim=16, depth=1, heads=2).eval()
    ecg, noise = torch.randn(1, 12, 500), torch.rand(1, 60)
    before, mask = autoencoder(ecg, noise, 0.8)
    for hidden in (1, 0):
        patch = int((mask[0] == hidden).nonzero()[0])
        lead, start = patch // 5, patch % 5 * 100
        changed = ecg.clone()
        changed[0, lead, start : start + 100] += 1
        after, _ = autoencoder(changed, noise, 0.8)
        assert torch.equal(before, after) == bool(hidden)


def test_patchify_is_lead_major():
    ecg = torch.arange(2 * 12 * 500).reshape(2, 12, 500)
    patches = patchify(ecg, 100)
    assert torch.equal(patches[1, 7], ecg[1, 1, 200:300])


MODELS = {
    "ecg_encoder": (lambda: EcgEncoder(patch=500, dim=16, depth=2, heads=2), (3, 12, 2500), (3, 16)),
    "predictor": (lambda: EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2), (3, 12, 2500), (3, 2)),
    "authors_predictor": (
        lambda: EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2, "authors"),
        (3, 12, 2500),
        (3, 2),
    ),
    "ecg_cnn": (
        lambda: EcgCnn(samples=1001, width=8, blocks=[1, 2], dropout=0.0, drop_path=0.0),
        (3, 12, 1001),
        (3, 32),
    ),
    "ecg_cnn_predictor": (lambda: EcgCnnPredictor(EcgCnn(width=8, blocks=[1, 1, 1]), 2), (3, 12, 2500), (3, 2)),
    "cmr_predictor": (lambda: CmrPredictor(cmr_encoder("resnet10t", 64), 6), (3, 3, 64, 64), (3, 6)),
    "cmr_encoder": (lambda: cmr_encoder("resnet10t", 32), (3, 3, 64, 64), (3, 512)),
    "projector": (lambda: projector(16, 32, 8), (3, 16), (3, 8)),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_shape_and_every_weight_a_gradient(name):
    build, shape_in, shape_out = MODELS[name]
    torch.manual_seed(0)
    model = build()
    for value in model.parameters():  # away from zero-initialised scales, behind which gradients are zero
        value.data += 0.01 * torch.randn_like(value)
    out = model(torch.randn(shape_in))
    assert out.shape == shape_out and torch.isfinite(out).all()
    (out * torch.randn(shape_out)).sum().backward()
    unused = {"encoder.cls_token"} if name.endswith("predictor") else set()
    for parameter, value in model.named_parameters():
        if value.requires_grad and parameter not in unused:
            assert value.grad is not None and value.grad.abs().sum() > 0, parameter


def test_the_papers_sized_convolutional_network_is_xresnet1d18_and_as_large_as_the_fine_tuned_transformer():
    """18 layers with weights: 3 in the stem, 2 in each of 8 blocks less the head's, which stands for the 18th."""
    encoder = EcgCnn()
    counted = [layer for layer in encoder.modules() if isinstance(layer, torch.nn.Conv1d) and layer.kernel_size[0] > 1]
    assert len(counted) == 3 + 2 * 8 and encoder.num_features == 1024
    parameters = sum(value.numel() for value in encoder.parameters())
    assert parameters == pytest.approx(6.30e6, rel=0.001)


def test_a_convolutional_network_starts_as_its_shortcuts():
    """The last scale of every branch is zero, so that a signal passes a block as its average over pairs."""
    torch.manual_seed(0)
    block = next(block for block in EcgCnn(width=8, blocks=[2]).blocks if isinstance(block, Block)).eval()
    features = torch.rand(2, 8, 50)
    torch.testing.assert_close(block(features), features)


def test_a_convolutional_network_predicts_one_record_as_it_does_among_others():
    """In evaluation batch norm and dropout do not depend on the batch."""
    torch.manual_seed(0)
    model, ecg = EcgCnnPredictor(EcgCnn(width=8, blocks=[1, 1]), 2), torch.randn(5, 12, 2500)
    model(ecg)  # running statistics
    model.eval()
    torch.testing.assert_close(model(ecg[:1]), model(ecg)[:1])


def test_one_place_of_the_last_stage_sees_more_than_a_beat():
    """By kernels and strides 25 samples behind the stem and 64, 112, 224, 448 more behind the stages: 1.7 s at 500 Hz.

    It is where the gradient of one place is not zero, once weights are positive and the maximum is a mean.
    """
    encoder, ecg = EcgCnn(width=4).eval(), torch.rand(1, 12, 2500, requires_grad=True)
    encoder.stem[-1] = torch.nn.AvgPool1d(3, stride=2, padding=1)
    for value in encoder.parameters():
        value.data.fill_(0.1)
    encoder.blocks(encoder.stem(ecg))[0, :, 39].sum().backward()
    seen = ecg.grad.abs().sum(dim=(0, 1)).nonzero()
    assert int(seen.max() - seen.min()) + 1 == 25 + 64 + 112 + 224 + 448


def test_feature_map_averages_to_the_embedding():
    encoder = cmr_encoder("resnet10t", 64).eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(feature_map(encoder, images).mean(dim=(2, 3)), encoder(images))


def test_an_image_encoder_of_another_kind_is_refused():
    """Its layers have other names, so that rates by layer would give all of them the stem's."""
    with pytest.raises(InputError, match="ResNetV2"):
        cmr_encoder("resnetv2_18", 64)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_output_stride_makes_the_feature_map_finer_and_leaves_the_weights(stride):
    coarse, fine = cmr_encoder("resnet10t", 64), cmr_encoder("resnet10t", 64, output_stride=stride)
    fine.load_state_dict(coarse.state_dict())
    assert feature_map(fine.eval(), torch.rand(1, 3, 64, 64)).shape == (1, 512, 64 // stride, 64 // stride)


@pytest.mark.parametrize("name", ["resnet10t", "resnet18", "resnet50d"])
def test_an_image_encoder_has_the_channels_that_are_asked_for(name):
    own, slim = cmr_encoder(name, 64), cmr_encoder(name, 64, channels=[16, 32, 48, 64])
    assert slim.num_features == own.num_features // 512 * 64
    stages = (slim.layer1, slim.layer2, slim.layer3, slim.layer4)
    assert [stage[0].conv1.out_channels for stage in stages] == [16, 32, 48, 64]
    assert sum(map(torch.numel, slim.parameters())) < sum(map(torch.numel, own.parameters())) / 10
    assert slim(torch.rand(1, 3, 64, 64)).shape == (1, slim.num_features)


def test_pooling_attends_to_every_token():
    """Permuting the tokens with their positions changes nothing; permuting the tokens alone does."""
    torch.manual_seed(0)
    pool = EcgPredictor(EcgEncoder(patch=500, dim=16, depth=1, heads=2), 2).attention_pool.eval()
    tokens, order = torch.randn(1, 60, 16), torch.randperm(60)
    shuffled = tokens[:, order]
    assert not torch.allclose(pool(tokens), pool(shuffled), atol=1e-4)
    expected = pool(tokens)
    pool.pos_embed.data[1:] = pool.pos_embed.data[1:][order]
    torch.testing.assert_close(pool(shuffled), expected)


def test_layers_are_numbered_from_the_input():
    model = EcgPredictor(EcgEncoder(patch=500, dim=16, depth=2, heads=2), 2)
    layers = {name: model.layer_of(name) for name, _ in model.named_parameters()}
    assert {layers["encoder.cls_token"], layers["encoder.patch_embed.proj.weight"]} == {0}
    assert layers["encoder.blocks.0.attn.qkv.weight"] == 1 and layers["encoder.blocks.1.mlp.fc1.bias"] == 2
    assert {layers["encoder.norm.weight"], layers["attention_pool.proj.weight"], layers["head.bias"]} == {3}


def test_every_encoder_starts_from_the_same_fixed_position_embedding_unless_told_otherwise():
    small = {"patch": 500, "dim": 16, "depth": 1, "heads": 2}
    fixed = EcgEncoder(**small)
    assert fixed.pos_embed[0].equal(sincos_2d(16, 12, 5)) and not fixed.pos_embed.requires_grad
    learnt = EcgEncoder(**small, position_embedding={"init": "sincos", "trainable": True})
    assert learnt.pos_embed.equal(fixed.pos_embed) and learnt.pos_embed.requires_grad
    random = EcgEncoder(**small, position_embedding={"init": "random", "trainable": True})
    assert random.pos_embed.std().item() == pytest.approx(0.02, rel=0.15)
    with pytest.raises(ValueError, match="expected sincos or random"):
        EcgEncoder(**small, position_embedding={"init": "learned", "trainable": True})


def test_loading_a_masked_autoencoders_encoder_brings_its_position_embedding():
    """The authors' confounder: from MDM a trainable embedding starts as sine and cosine, without it at random."""
    small = {"patch": 500, "dim": 16, "depth": 1, "heads": 2}
    fine = EcgEncoder(**small, position_embedding={"init": "random", "trainable": True})
    fine.load_state_dict(EcgEncoder(**small).state_dict())
    assert fine.pos_embed[0].equal(sincos_2d(16, 12, 5)) and fine.pos_embed.requires_grad


@pytest.mark.parametrize("trainable", [False, True])
def test_a_training_step_moves_the_position_embedding_only_if_it_is_trainable(trainable):
    encoder = EcgEncoder(
        patch=500, dim=16, depth=1, heads=2, position_embedding={"init": "random", "trainable": trainable}
    )
    before = encoder.pos_embed.detach().clone()
    optimizer = torch.optim.SGD([value for value in encoder.parameters() if value.requires_grad], lr=0.1)
    encoder(torch.randn(2, 12, 2500)).square().sum().backward()
    optimizer.step()
    assert encoder.pos_embed.equal(before) != trainable

"""Weight files of elsewhere: the authors' layout gives the authors' outputs; damaged and hostile files are refused."""

import argparse
import io
import json
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cmr2ecg.models.published import import_ecg, import_image, read_state
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import import_weights
from cmr2ecg.training.checkpoint import save_weights

SIZES = {"samples": 500, "patch": 100, "dim": 24, "depth": 2, "heads": 2}
RESNET = {"name": "resnet10t", "image_size": 32}
NUMBERS = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


@pytest.fixture
def state(golden) -> dict[str, torch.Tensor]:
    prefix = "mae.state."
    return {key.removeprefix(prefix): torch.from_numpy(golden[key]) for key in golden if key.startswith(prefix)}


def saved(path, value):
    torch.save(value, path)
    return path


def latent(encoder: EcgEncoder, golden) -> np.ndarray:
    with torch.inference_mode():
        tokens = encoder.encode_tokens(encoder.embed_patches(torch.from_numpy(golden["mae.signal"])[:, 0]))
        return encoder.norm(tokens).numpy()


@pytest.mark.parametrize("prefix", ["", "module.", "model.encoder."])
def test_a_masked_autoencoders_file_gives_the_authors_outputs(golden, state, tmp_path, prefix):
    whole = {"model": {prefix + name: value for name, value in state.items()}, "epoch": 399}
    whole["args"] = argparse.Namespace(lr=1e-3, mask_ratio=0.8, betas=[0.9, 0.95])
    encoder = EcgEncoder(**SIZES)
    found = import_ecg(read_state(saved(tmp_path / "mae.pth", whole)), encoder, "mae.pth")
    encoder.load_state_dict(found.state)
    np.testing.assert_allclose(latent(encoder.eval(), golden), golden["mae.latent_unmasked"], rtol=1e-4, atol=1e-5)
    assert not found.missing and not found.unexpected and found.interpolated is None
    assert {name.split(".")[0].split("_")[0] for name in found.dropped} == {"decoder", "mask"}


def test_what_is_unexpected_or_missing_is_listed(golden, state, tmp_path):
    kept = {name: value for name, value in state.items() if not name.startswith(("decoder", "mask", "norm."))}
    kept |= {"head.weight": torch.ones(2, 24), "fc_norm.bias": torch.ones(24), "strange": torch.ones(1)}
    encoder = EcgEncoder(**SIZES)
    found = import_ecg(read_state(saved(tmp_path / "x.pth", {"model": kept})), encoder, "x.pth")
    assert found.unexpected == ["strange"] and found.missing == ["norm.bias", "norm.weight"]
    assert found.dropped == ["fc_norm.bias", "head.weight"]
    kept["cls_token"] = torch.full_like(kept["cls_token"], torch.nan)
    with pytest.raises(InputError, match=r"not finite \(cls_token\)"):
        import_ecg(kept, encoder, "x.pth")
    del kept["blocks.1.attn.qkv.weight"]
    with pytest.raises(
        InputError, match=r"1 weights are missing \(blocks.1.attn.qkv.weight\) and 1 unexpected \(strange\)"
    ):
        import_ecg(kept, encoder, "x.pth")


@pytest.mark.parametrize("samples", [300, 1000])
def test_the_position_embedding_is_interpolated_in_time_for_another_length(golden, state, samples):
    encoder = EcgEncoder(**{**SIZES, "samples": samples})
    state["pos_embed"] = torch.zeros(1, 61, 24)
    state["pos_embed"][0, 0] = 7
    ramp = torch.arange(12)[:, None] * 100 + torch.linspace(0, 4, 5)  # a slope in time, a step from lead to lead
    state["pos_embed"][0, 1:] = ramp.reshape(60, 1)
    found = import_ecg(state, encoder, "x.pth")
    times = samples // 100
    grid = found.state["pos_embed"][0, 1:, 0].reshape(12, times)
    centres = (np.arange(times) + 0.5) * 5 / times - 0.5
    np.testing.assert_allclose(grid - 100 * torch.arange(12)[:, None], np.tile(centres.clip(0, 4), (12, 1)), atol=1e-4)
    assert found.interpolated == (5, times) and (found.state["pos_embed"][0, 0] == 7).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"patch": 50}, "patch_embed.proj.weight is"),
        ({"dim": 48}, "pos_embed is"),
        ({"depth": 3}, "12 weights are missing"),
        ({"depth": 1}, r"12 weights have no place in this encoder \(blocks.1.attn.proj.bias.*deeper"),
    ],
)
def test_an_encoder_of_another_size_is_refused(state, changed, message):
    encoder = EcgEncoder(**{**SIZES, **changed})
    with pytest.raises(InputError, match=message):
        import_ecg(state, encoder, "x.pth")


def test_an_image_encoder_in_the_authors_layout_gives_the_same_outputs(tmp_path):
    torch.manual_seed(0)
    source, encoder = cmr_encoder("resnet50", 64), cmr_encoder("resnet50", 64)
    layout = {}
    for name, value in source.state_dict().items():
        part, _, rest = name.partition(".")
        layout[f"encoder_imaging.{NUMBERS[part]}.{rest}"] = value
    found = import_image(read_state(saved(tmp_path / "i.pth", {"state_dict": layout})), encoder, "i.pth")
    encoder.load_state_dict(found.state)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(source.eval()(images), encoder.eval()(images))
    with pytest.raises(InputError, match="weights are missing"):
        import_image(layout, cmr_encoder("resnet101", 64), "i.pth")
    with pytest.raises(InputError, match=r"layer4.3.* deeper or of another kind"):
        import_image({**layout, "encoder_imaging.7.3.conv1.weight": torch.ones(1)}, encoder, "i.pth")
    with pytest.raises(InputError, match=r"layer1.0.conv1.weight is complex"):
        import_image({**layout, "encoder_imaging.4.0.conv1.weight": torch.ones(1) + 1j}, encoder, "i.pth")


ODD = {
    "complex": lambda value: value + 1j,
    "sparse": lambda value: value.to_sparse(),
    "compressed": lambda value: value.flatten()[None].to_sparse_csr(),
    "quantized": lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
    "nested": lambda value: torch.nested.nested_tensor([value]),
    "without content": lambda value: value.to("meta"),
    "of torch.int8": lambda value: value.to(torch.int8),
    "of torch.bool": lambda value: value.to(torch.bool),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["pos_embed", "blocks.0.attn.qkv.weight"])
@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_no_plain_numbers_are_refused(state, tmp_path, kind, name):
    odd = {**state, name: ODD[kind](state[name])}
    word = "sparse" if kind == "compressed" else kind
    with pytest.raises(InputError, match=f"{name} is {word}|not a readable file|refused"):
        import_ecg(read_state(saved(tmp_path / "x.pth", odd)), EcgEncoder(**SIZES), "x.pth")
    with pytest.raises(InputError, match=f"{name} is {word}"):
        import_ecg(odd, EcgEncoder(**SIZES), "x.pth")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_widths_of_real_numbers_are_read(state, tmp_path, kind):
    path = saved(tmp_path / "x.pth", {3: 4, "model": {name: value.to(kind) for name, value in state.items()}})
    found = import_ecg(read_state(path), EcgEncoder(**SIZES), "x.pth").state
    assert all(value.dtype is torch.float32 for value in found.values())
    torch.testing.assert_close(found["cls_token"], state["cls_token"], rtol=0.01, atol=0.01)


def test_weights_too_large_for_the_encoders_numbers_are_refused(state):
    state["cls_token"] = torch.full_like(state["cls_token"], 1e300, dtype=torch.float64)
    with pytest.raises(InputError, match=r"not finite \(cls_token\)"):
        import_ecg(state, EcgEncoder(**SIZES), "x.pth")


def test_files_that_would_swell_are_refused(state, tmp_path):
    state["pos_embed"] = torch.zeros(1, 1, 24).expand(1, 12_000_001, 24)  # one number in the file
    with pytest.raises(InputError, match="pos_embed is"):
        import_ecg(state, EcgEncoder(**SIZES), "x.pth")
    path, packed = saved(tmp_path / "x.pth", {"a": torch.zeros(100_000)}), tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part.filename, source.read(part))
    with pytest.raises(InputError, match="larger unpacked"):
        read_state(packed)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_folder_or_a_pipe_is_no_file_of_weights(tmp_path, ending):
    (tmp_path / f"a.{ending}").mkdir()
    os.mkfifo(tmp_path / f"b.{ending}")
    for name in "ab":
        with pytest.raises(InputError, match="a folder or a pipe"):
            read_state(tmp_path / f"{name}.{ending}")


class Bomb:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize("layout", ["zip", "old", "bare"])
def test_a_hostile_pickle_runs_nothing(tmp_path, state, layout):
    trap, path = tmp_path / "ran", tmp_path / "x.pth"
    value = {"model": state, "args": argparse.Namespace(bomb=Bomb(trap))}
    if layout == "bare":
        path.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(InputError, match="refused"):
        read_state(path)
    assert not trap.exists()


def test_other_classes_than_a_namespace_are_refused_by_name(tmp_path, state):
    path = saved(tmp_path / "x.pth", {"model": state, "args": argparse.ArgumentParser})
    with pytest.raises(InputError, match=r"argparse\.ArgumentParser"):
        read_state(path)


def test_damaged_files_are_refused(tmp_path, state):
    buffer = io.BytesIO()
    torch.save({"model": state}, buffer)
    content = buffer.getvalue()
    rng = np.random.default_rng(0)
    for size in [0, 1, 100, *rng.integers(0, len(content) - 1, 20)]:
        (tmp_path / "x.pth").write_bytes(content[:size])
        with pytest.raises(InputError):
            read_state(tmp_path / "x.pth")
    (tmp_path / "x.safetensors").write_bytes(content[:1000])
    with pytest.raises(InputError, match="not a readable file"):
        read_state(tmp_path / "x.safetensors")
    for value in ([1, 2], {"model": {}}, {"model": 3}, torch.ones(3)):
        with pytest.raises(InputError, match="no weights by name"):
            read_state(saved(tmp_path / "y.pth", value))
    with pytest.raises(InputError, match="0 tensors are named"):
        import_ecg({"conv1.weight": torch.ones(1)}, EcgEncoder(**SIZES), "z")


def test_the_step_writes_what_our_own_pre_trainings_write(golden, state, tmp_path):
    saved(tmp_path / "mae.pth", {"model": state})
    arguments = ["--name", "mae", "--weights", str(tmp_path / "mae.pth"), "--output", str(tmp_path)]
    import_weights.main(["--settings", json.dumps({"models": {"ecg_encoder": SIZES}}), *arguments])
    encoder = EcgEncoder(**SIZES)
    encoder.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    np.testing.assert_allclose(latent(encoder.eval(), golden), golden["mae.latent_unmasked"], rtol=1e-4, atol=1e-5)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["missing"] == [] and any(name.startswith("decoder") for name in result["dropped"])
    save_weights(tmp_path / "cmr.safetensors", cmr_encoder(**RESNET))
    arguments = [
        "--name",
        "cmr_simclr",
        "--weights",
        str(tmp_path / "cmr.safetensors"),
        "--output",
        str(tmp_path / "c"),
    ]
    import_weights.main(["--settings", json.dumps({"models": {"cmr_encoder": RESNET}}), *arguments])
    assert (tmp_path / "c/encoder.safetensors").exists()

"""Pre-training learns, resumes bit for bit, and refuses foreign resume points."""

import contextlib
import copy
import json
import resource

import numpy as np
import pytest
import torch
from training.pretrain.small_objectives import small_objective

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.checkpoint import load_resume, load_weights, save_resume, save_weights
from cmr2ecg.training.pretrain import loop
from cmr2ecg.training.pretrain.health import collapsed


@pytest.fixture
def methods(small_models):
    """Objective and settings of every pre-training."""
    return lambda name, epochs=3: small_objective(name, small_models, epochs)


@pytest.fixture
def folds(small_dataset):
    def read(fields, memory_mb=1000.0):
        path = small_dataset / "dataset.h5"
        return [
            PairedData(path, split_eids(small_dataset / "split.csv", name), fields, memory_mb=memory_mb, image_size=32)
            for name in ("train", "val")
        ]

    return read


def run(objective, settings, folds, tmp_path, cache_key="me"):
    train, val = folds(objective.fields)
    return loop.pretrain(
        objective, train, val, settings, directory=tmp_path, cache_key=cache_key, precision="fp32", label="test"
    )


@pytest.mark.parametrize("name", ["mae", "cmr", "mmcl"])
def test_the_loss_falls(name, methods, folds, tmp_path):
    objective, settings = methods(name, epochs=6)
    state = run(objective, settings, folds, tmp_path)
    first, *later = state.history
    assert min(row["train_loss"] for row in later) < first["train_loss"]
    if name != "mmcl":  # 12 validation pairs of two kinds are too few to tell pairs apart
        assert min(row["val_loss"] for row in later) < first["val_loss"]
    assert [row["epoch"] for row in state.history] == list(range(6))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == state.history


@pytest.mark.parametrize("name", ["mae", "mmcl", "byol"])
def test_resuming_gives_the_same_weights_bit_for_bit(name, methods, folds, tmp_path, monkeypatch):
    whole, settings = methods(name, epochs=4)
    run(whole, settings, folds, tmp_path / "whole")

    cut, _ = methods(name, epochs=4)
    real = loop.train_epoch

    def killed(*args):
        if args[4] == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(loop, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(cut, settings, folds, tmp_path / "cut")
    monkeypatch.setattr(loop, "train_epoch", real)
    again, _ = methods(name, epochs=4)
    state = run(again, settings, folds, tmp_path / "cut")
    assert len(state.history) == 4
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


@pytest.mark.parametrize("damage", ["truncated", "foreign", "not torch", "one bit", "empty"])
def test_a_damaged_or_foreign_resume_point_is_refused(damage, methods, folds, tmp_path, caplog):
    objective, settings = methods("mae", epochs=1)
    run(objective, settings, folds, tmp_path)
    path = tmp_path / "resume.pt"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    if damage == "not torch":
        path.write_text("hello")
    if damage == "one bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    if damage == "empty":
        path.write_bytes(b"")
    cache_key = "other" if damage == "foreign" else "me"
    assert load_resume(path, cache_key, torch.device("cpu")) is None
    assert "starting from the first epoch" in caplog.text


def test_a_resume_point_cannot_run_code(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"cache_key": "me", "x": Evil()}, tmp_path / "resume.pt")
    assert load_resume(tmp_path / "resume.pt", "me", torch.device("cpu")) is None
    assert not (tmp_path / "owned").exists()


def test_best_epoch_is_restored(methods, folds, tmp_path, monkeypatch):
    objective, settings = methods("cmr", epochs=3)
    values = iter([2.0, 1.0, 3.0])
    states = []

    def fake(model, *_):
        states.append(copy.deepcopy(model.state_dict()))
        return {"val_loss": next(values)}

    monkeypatch.setattr(loop, "validate", fake)
    state = run(objective, settings, folds, tmp_path)
    assert state.best_epoch == 1
    for key, value in objective.state_dict().items():
        assert torch.equal(value, states[1][key]), key


def test_a_loss_that_is_not_finite_stops_with_epoch_and_step(methods, folds, tmp_path):
    objective, settings = methods("mae", epochs=2)
    settings |= {"base_lr": 1e30, "warmup_fraction": 0.0}
    with pytest.raises(InputError, match=r"training loss is not finite in epoch 0, step 1.*no epoch was finished"):
        run(objective, settings, folds, tmp_path)
    assert not (tmp_path / "resume.pt").exists()


@pytest.mark.parametrize("where", ["training", "validation"])
def test_the_last_good_weights_stay_usable_after_a_loss_that_is_not_finite(
    where, methods, folds, tmp_path, monkeypatch
):
    """The third epoch fails; the weights after the second are those of a training that went well."""
    sound, settings = methods("mmcl", epochs=4)
    seen = []
    real = loop.validate

    def fail(model, *rest):
        seen.append({key: value.clone() for key, value in model.ecg_encoder.state_dict().items()})
        measures = real(model, *rest)
        return measures | {"val_loss": float("nan")} if where == "validation" and len(seen) == 3 else measures

    real_loss = type(sound).loss

    def loss(model, *prepared):
        return real_loss(model, *prepared) * (float("inf") if where == "training" and len(seen) == 2 else 1)

    monkeypatch.setattr(loop, "validate", fail)
    monkeypatch.setattr(type(sound), "loss", loss)
    with pytest.raises(InputError, match=rf"{where} loss is not finite in epoch 2.*after epoch 1 are in .*last_good"):
        run(sound, settings, folds, tmp_path)
    kept, _ = methods("mmcl")
    load_weights(tmp_path / "last_good/encoder.safetensors", kept.ecg_encoder)
    for key, value in kept.ecg_encoder.state_dict().items():
        assert torch.equal(value, seen[1][key]), key
    monkeypatch.undo()
    again, _ = methods("mmcl", epochs=4)
    assert len(run(again, settings, folds, tmp_path).history) == 4


@contextlib.contextmanager
def disk_of(size):
    """Let this process write no file beyond `size` bytes, as a full disk would.

    Ended inside the test: pytest's own output, where it goes to a file, is under the same limit.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_older_files_and_says_so(tmp_path):
    save_resume(tmp_path / "resume.pt", "me", {"history": [1]})
    save_weights(tmp_path / "encoder.safetensors", torch.nn.Linear(2, 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with disk_of(10_000):
        with pytest.raises(InputError, match=r"resume\.pt: File too large; make room"):
            save_resume(tmp_path / "resume.pt", "me", {"weights": torch.zeros(10_000)})
        with pytest.raises(InputError, match=r"encoder\.safetensors: File too large; make room"):
            save_weights(tmp_path / "encoder.safetensors", torch.nn.Linear(100, 100))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert load_resume(tmp_path / "resume.pt", "me", torch.device("cpu"))["history"] == [1]


def test_health_and_retrieval_are_measured_in_every_epoch(methods, folds, tmp_path):
    objective, settings = methods("mmcl", epochs=1)
    row = run(objective, settings, folds, tmp_path).history[0]
    ways = [f"{way}_{at}" for way in ("ecg_to_cmr", "cmr_to_ecg") for at in ("r1", "r5", "r10", "median_rank")]
    health = [f"{name}_{what}" for name in ("encoder", "image_encoder") for what in ("spread", "effective_rank")]
    assert {*ways, *health, "alignment", "uniformity", "data_wait_share"} <= row.keys()
    assert (row["chance_r1"], row["chance_r10"], row["chance_median_rank"]) == (1 / 12, 10 / 12, 6.5)
    assert 0 <= row["data_wait_share"] < 1


def test_an_encoder_that_ignores_its_input_is_reported_as_collapsed(methods, folds, tmp_path, caplog):
    objective, settings = methods("cmr", epochs=1)
    objective.encoder = torch.nn.Sequential(objective.encoder, torch.nn.Linear(512, 512))
    torch.nn.init.zeros_(objective.encoder[1].weight)
    settings["base_lr"] = 0.0
    state = run(objective, settings, folds, tmp_path)
    assert collapsed(state.history[0]) == ["encoder"]
    assert "epoch 0: encoder has collapsed" in caplog.text


def test_too_few_validation_subjects_are_an_input_error(methods, folds, small_dataset, tmp_path):
    objective, settings = methods("cmr", epochs=1)
    one = PairedData(small_dataset / "dataset.h5", np.array([9000030]), ("cmr",), memory_mb=100, image_size=32)
    with pytest.raises(InputError, match="1 validation subjects are too few"):
        run(objective, settings, lambda fields: (folds(fields)[0], one), tmp_path)


def test_streaming_equals_memory(folds):
    held, streamed = folds(("ecg", "cmr"))[0], folds(("ecg", "cmr"), memory_mb=0.0)[0]
    assert held.memory is not None and streamed.memory is None
    order = np.random.default_rng(1).permutation(len(held))
    pieces = np.array_split(order, 4)
    for a, b in zip(held.batches(pieces), streamed.batches(pieces), strict=True):
        assert torch.equal(a["ecg"], b["ecg"]) and torch.equal(a["cmr"], b["cmr"])
        assert a["cmr"].shape[1:] == (3, 32, 32)


def test_rows_come_in_the_order_asked_for(small_dataset):
    eids = np.array([9000030, 9000002, 9000011])
    data = PairedData(small_dataset / "dataset.h5", eids, ("ecg",), memory_mb=100)
    whole = PairedData(small_dataset / "dataset.h5", 9000001 + np.arange(48), ("ecg",), memory_mb=100)
    assert torch.equal(data.batch(np.array([0, 2]))["ecg"], whole.batch(np.array([29, 10]))["ecg"])


def test_an_unknown_subject_is_counted_not_named(small_dataset):
    with pytest.raises(InputError, match="1 subjects") as error:
        PairedData(small_dataset / "dataset.h5", np.array([9000001, 9999999]), ("ecg",), memory_mb=100)
    assert "9999999" not in str(error.value)


def test_weights_of_another_size_are_refused_with_the_first_difference(tmp_path):
    save_weights(tmp_path / "a.safetensors", torch.nn.Linear(3, 4))
    with pytest.raises(InputError, match="weights of another network"):
        load_weights(tmp_path / "a.safetensors", torch.nn.Linear(3, 5))
    (tmp_path / "b.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_weights(tmp_path / "b.safetensors", torch.nn.Linear(3, 4))

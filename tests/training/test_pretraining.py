"""Pre-training learns, resumes bit for bit, and refuses foreign resume points."""

import copy
import json

import numpy as np
import pytest
import torch
from small_objectives import OBJECTIVES, small_objective

from cmr2ecg.command import InputError
from cmr2ecg.data.labels import split_eids
from cmr2ecg.data.loading import PairedData
from cmr2ecg.training import pretrain as loop
from cmr2ecg.training.checkpoint import load_resume, load_weights, save_weights


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


def run(objective, settings, folds, tmp_path, owner="me"):
    train, val = folds(objective.fields)
    return loop.pretrain(
        objective, train, val, settings, directory=tmp_path, owner=owner, precision="fp32", label="test"
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_falls(name, methods, folds, tmp_path):
    objective, settings = methods(name, epochs=6)
    course = run(objective, settings, folds, tmp_path)
    first, *later = course.history
    assert min(row["train_loss"] for row in later) < first["train_loss"]
    if name != "mmcl":  # 12 validation pairs of two kinds are too few to tell pairs apart
        assert min(row["val_loss"] for row in later) < first["val_loss"]
    assert [row["epoch"] for row in course.history] == list(range(6))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == course.history


@pytest.mark.parametrize("name", ["mae", "mmcl"])
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
    course = run(again, settings, folds, tmp_path / "cut")
    assert len(course.history) == 4
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


@pytest.mark.parametrize("damage", ["truncated", "foreign", "not torch"])
def test_a_damaged_or_foreign_resume_point_is_refused(damage, methods, folds, tmp_path, caplog):
    objective, settings = methods("mae", epochs=1)
    run(objective, settings, folds, tmp_path)
    path = tmp_path / "resume.pt"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    if damage == "not torch":
        path.write_text("hello")
    owner = "other" if damage == "foreign" else "me"
    assert load_resume(path, owner, torch.device("cpu")) is None
    assert "starting from the first epoch" in caplog.text


def test_a_resume_point_cannot_run_code(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"owner": "me", "x": Evil()}, tmp_path / "resume.pt")
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
    course = run(objective, settings, folds, tmp_path)
    assert course.best_epoch == 1
    for key, value in objective.state_dict().items():
        assert torch.equal(value, states[1][key]), key


def test_a_loss_that_is_not_finite_stops_with_a_line(methods, folds, tmp_path):
    objective, settings = methods("mae", epochs=2)
    settings["base_lr"] = 1e30
    with pytest.raises(InputError, match="not finite in epoch"):
        run(objective, settings, folds, tmp_path)


def test_streaming_equals_memory(folds):
    held, streamed = folds(("ecg", "cmr"))[0], folds(("ecg", "cmr"), memory_mb=0.0)[0]
    assert held.memory is not None and streamed.memory is None
    order = np.random.default_rng(1).permutation(len(held))
    for a, b in zip(held.batches(order, 7), streamed.batches(order, 7), strict=True):
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

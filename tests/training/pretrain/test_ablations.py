"""Fewer pairs and permuted images: what an ablation changes in the training data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from training.pretrain.small_objectives import small_settings

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.runtime.command import InputError
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.run import PretrainingJob, drawn, load_split, permuted

EIDS = 9000001 + np.arange(200)


@given(st.integers(2, 200), st.integers(0, 2**32 - 1))
def test_strangers_are_everyone_and_nobody_keeps_their_place(count, seed):
    mixed = permuted(EIDS[:count], seed)
    assert set(mixed) == set(EIDS[:count])
    assert (mixed != EIDS[:count]).all()
    assert np.array_equal(mixed, permuted(EIDS[:count], seed))


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_fewer_pairs_are_a_part_of_more(fewer, more, seed):
    fewer, more = sorted((fewer, more))
    few, many = drawn(EIDS, fewer, seed), drawn(EIDS, more, seed)
    assert (len(few), len(many)) == (fewer, more)
    assert set(few) <= set(many) <= set(EIDS) and (np.diff(many) > 0).all()


def test_more_pairs_than_there_are_is_one_line():
    with pytest.raises(InputError, match="ablations: 201 pairs are asked for, yet the train split has 200"):
        drawn(EIDS, 201, 0)


@pytest.mark.parametrize("memory_mb", [1000.0, 0.0])
def test_images_of_others_stand_beside_a_subject_s_own_ecg(small_dataset, memory_mb):
    path, eids = small_dataset / "dataset.h5", 9000001 + np.arange(12)
    others = np.roll(eids, 5)
    own, mixed = (
        PairedData(path, eids, ("ecg", "cmr"), memory_mb=memory_mb, image_size=32, images_of=images)
        for images in (None, others)
    )
    order = np.array([3, 0, 11])
    assert torch.equal(mixed.batch(order)["ecg"], own.batch(order)["ecg"])
    assert torch.equal(mixed.batch(order)["cmr"], own.batch((order - 5) % 12)["cmr"])


def test_an_ablation_s_method_chooses_its_pairs(small_dataset, small_models):
    method = {"seed": 3, "pairs": 10, "shuffle_images": "once"}
    settings = {"method": method, "models": small_models}
    files = (small_dataset / name for name in ("dataset.h5", "split.csv", "out"))
    job = PretrainingJob("cmr2ecg.steps.pretrain_mmcl", *files, settings, memory_mb=1000)
    train, val = (load_split(job, name, ("ecg", "cmr")) for name in ("train", "val"))
    assert (len(train), len(val)) == (10, 12)  # validation is not thinned out
    assert set(train.image_rows) == set(train.rows) and (train.image_rows != train.rows).all()
    assert (val.image_rows != val.rows).all()
    job.settings["method"] = {"seed": 3}
    whole = load_split(job, "train", ("ecg", "cmr"))
    assert len(whole) == len(split_eids(job.split, "train")) and np.array_equal(whole.rows, whole.image_rows)


def prepared(small_models, shuffle_images, *, augment, seed=0):
    """Return what MMCL makes of six ECGs and images, each of which holds its number everywhere."""
    settings = small_settings("mmcl") | {"shuffle_images": shuffle_images, "augment_probability": 0.0}
    objective, size = MmclObjective(small_models, settings), small_models["cmr_encoder"]["image_size"]
    numbers = torch.arange(6.0)
    ecg = numbers[:, None, None].expand(6, 12, 2 * small_models["ecg_encoder"]["samples"])
    batch = {"ecg": ecg, "cmr": numbers[:, None, None, None].expand(6, 3, size, size)}
    signals, images = objective.prepare(batch, torch.Generator().manual_seed(seed), augment=augment)
    assert torch.equal(signals[:, 0, 0], numbers)
    return images[:, 0, 0, 0]


@pytest.mark.slow
@pytest.mark.long
def test_images_mixed_in_every_batch_tell_nothing_of_the_pairs(small_models):
    """Each image once, at any place equally often, its own among them: never its own would be something to learn."""
    draws = torch.stack([prepared(small_models, "every_batch", augment=True, seed=seed) for seed in range(600)])
    assert (draws.sort(dim=1).values == torch.arange(6.0)).all()
    counts = torch.stack([(draws == image).sum(dim=0) for image in range(6)])
    assert chisquare(counts.ravel().numpy()).pvalue > 0.001
    assert torch.equal(draws[3], prepared(small_models, "every_batch", augment=True, seed=3))


@pytest.mark.parametrize(("shuffle_images", "augment"), [("once", True), (None, True), ("every_batch", False)])
def test_other_batches_keep_their_order(small_models, shuffle_images, augment):
    assert torch.equal(prepared(small_models, shuffle_images, augment=augment), torch.arange(6.0))

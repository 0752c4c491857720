"""Batches come in order, from memory or from shards, one ahead and no more."""

import threading
import tracemalloc

import h5py
import numpy as np
import pytest
import torch

from cmr2ecg.cohort.dataset import write_dataset
from cmr2ecg.loading.paired_data import PairedData, in_turn, read_ahead
from cmr2ecg.loading.shard_reader import ShardReader
from cmr2ecg.runtime.command import InputError

EIDS = 9000001 + np.arange(0, 60, 2)


@pytest.fixture
def sharded(tmp_path):
    """dataset.h5 over three shards, which also hold subjects that are not in it."""
    files = [tmp_path / f"{number}.h5" for number in range(3)]
    for number, path in enumerate(files):
        there = 9000001 + np.arange(60)[np.arange(60) % 3 == number]
        with h5py.File(path, "w") as file:
            file["eid"] = there
            file["ecg"] = (there[:, None, None] + np.zeros((1, 12, 5))).astype("f4")
            file["cmr"] = (there[:, None, None, None] % 100 / 100 + np.zeros((1, 3, 40, 40))).astype("f2")
    write_dataset(tmp_path / "dataset.h5", tmp_path / "dataset.h5", EIDS, {"ecg": files, "cmr": files})
    return tmp_path / "dataset.h5"


def test_rows_read_from_shards_equal_the_virtual_dataset(sharded):
    order = np.random.default_rng(0).permutation(len(EIDS))
    with h5py.File(sharded) as file:
        for name in ("ecg", "cmr"):
            assert np.array_equal(ShardReader(file, name).read(order), file[name][:][order])


@pytest.mark.parametrize("memory_mb", [0, 100])
def test_each_subject_gets_its_own_row(sharded, memory_mb):
    wanted = np.random.default_rng(1).permutation(EIDS)[:11]
    data = PairedData(sharded, wanted, ("ecg", "cmr"), memory_mb=memory_mb)
    assert (data.memory is None) == (memory_mb == 0)
    order = np.random.default_rng(2).permutation(11)
    found = torch.cat([batch["ecg"][:, 0, 0] for batch in data.batches(np.array_split(order, 3))])
    assert np.array_equal(found.numpy().astype(int), wanted[order])


@pytest.mark.parametrize("memory_mb", [0, 100])
def test_subjects_of_a_further_file_are_read_beside_the_others(sharded, memory_mb):
    others = 9000002 + np.arange(0, 30, 2)
    files = [sharded.with_name(f"{number}.h5") for number in range(3)]
    write_dataset(sharded.with_name("also.h5"), sharded.with_name("also.h5"), others, {"ecg": files})
    wanted = np.random.default_rng(1).permutation(np.concatenate([EIDS[:9], others]))
    data = PairedData(sharded, wanted, ("ecg",), memory_mb=memory_mb, also=sharded.with_name("also.h5"))
    assert np.array_equal(data.batch(np.arange(len(wanted)))["ecg"][:, 3, 2].numpy().astype(int), wanted)
    with pytest.raises(InputError, match="15 subjects"):
        PairedData(sharded, wanted, ("ecg",), memory_mb=memory_mb)


def test_a_missing_shard_is_an_input_error_and_not_zeros(sharded):
    sharded.with_name("1.h5").unlink()
    with pytest.raises(InputError, match=r"1\.h5: a shard of the data set cannot be read"):
        PairedData(sharded, EIDS[:3], ("ecg",), memory_mb=0)


def test_a_shard_that_lost_subjects_is_an_input_error(sharded):
    with h5py.File(sharded.with_name("1.h5"), "a") as file:
        file["eid"][:] += 100000
    with pytest.raises(InputError, match="10 subjects of the data set are in none of its shards"):
        PairedData(sharded, EIDS[:3], ("ecg",), memory_mb=0)


def test_one_item_is_read_ahead_and_no_more():
    begun = [threading.Event() for _ in range(5)]

    def read(item):
        begun[item].set()
        return item

    items = read_ahead(read, range(5))
    for item in range(5):
        assert next(items) == item
        if item < 4:
            assert begun[item + 1].wait(timeout=10), "the next item is not read while this one is used"
        assert not any(event.is_set() for event in begun[item + 2 :])
    assert next(items, None) is None


def test_an_error_while_reading_ahead_is_raised():
    def read(item):
        if item == 1:
            raise OSError("gone")
        return item

    items = read_ahead(read, range(3))
    assert next(items) == 0
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_memory_is_bounded_by_two_batches(small_dataset):
    data = PairedData(small_dataset / "dataset.h5", 9000001 + np.arange(48), ("ecg", "cmr"), memory_mb=1)
    batch = 4 * (12 * 5000 * 4 + 3 * 210 * 210 * 2)
    tracemalloc.start()
    for _ in data.batches(in_turn(48, 4)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch < peak < 3.2 * batch  # in use, waiting, and one just let go of


def test_waiting_is_counted(small_dataset, monkeypatch):
    data = PairedData(small_dataset / "dataset.h5", 9000001 + np.arange(8), ("ecg",), memory_mb=0)
    late = threading.Event()
    real = data.batch
    monkeypatch.setattr(data, "batch", lambda piece: (late.wait(0.05), real(piece))[1])
    assert len(list(data.batches(in_turn(8, 4)))) == 2
    assert data.waited > 0.08


def test_shards_are_read_without_a_chunk_cache_which_would_grow_with_their_number(sharded):
    parts = PairedData(sharded, EIDS, ("ecg",), memory_mb=0).source["ecg"].parts
    assert [part.file.id.get_access_plist().get_cache()[2] for part in parts] == [0, 0, 0]

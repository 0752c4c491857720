"""Exams of the CODE data sets: the row of an id without its zeros, and nothing of a hostile file."""

import os

import h5py
import numpy as np
import pytest
from fuzz.mutate import BINARY

from cmr2ecg.ecg import code_hdf5
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.raw.rejection import Rejection

IDS = [9000007, 9000003, 9000012, 0]
SEVEN_S = 2934  # samples of most exams


def tracings(seed=0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 0.3, (len(IDS), 4096, 12)).astype("f4")
    values[1, :581] = values[1, 581 + SEVEN_S :] = 0
    values[3] = 0
    return values


def write(folder, ids=IDS, values=None, **options):
    path = folder / "exams_part0.hdf5"
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array(ids)
        file.create_dataset("tracings", data=tracings() if values is None else values, **options)
    return path


def reason_of(path):
    with pytest.raises(Rejection) as caught:
        read_ecg(path)
    assert "90000" not in caught.value.reason + caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}])
def test_the_row_of_the_id_comes_back_in_mv(tmp_path, options):
    path = write(tmp_path, **options)
    ecg = read_ecg(f"{path}#9000007")
    np.testing.assert_array_equal(ecg.signal, tracings()[0].T)
    assert (ecg.signal.shape, ecg.signal.dtype, ecg.sampling_rate_hz, ecg.missing) == ((12, 4096), float, 400, ())


def test_zeros_around_a_shorter_exam_are_cut_off_and_those_within_stay(tmp_path):
    values = tracings()
    values[1, 2000:2100] = 0
    ecg = read_ecg(f"{write(tmp_path, values=values)}#9000003")
    np.testing.assert_array_equal(ecg.signal, values[1, 581 : 581 + SEVEN_S].T)


def test_exams_that_are_not_there(tmp_path):
    path = write(tmp_path, ids=[9000007, 9000003, 9000003, 0])
    for name in ("9000001", "-1", "x", "9000007 ", "²", "1" * 30):
        assert reason_of(f"{path}#{name}") == "no such exam in the file"
    assert reason_of(f"{path}#9000003") == "no such exam in the file"  # in two rows
    assert reason_of(f"{path}#0") == "empty exam"
    assert reason_of(f"{tmp_path}/exams_part1.hdf5#1") == "file cannot be opened"


def test_ids_are_read_once_a_file_and_again_when_it_changed(tmp_path, monkeypatch):
    path, opened = write(tmp_path), []
    whole = code_hdf5._opened
    monkeypatch.setattr(code_hdf5, "_opened", lambda file, take: opened.append(file) or whole(file, take))
    for _ in range(5):
        read_ecg(f"{path}#9000012")
    assert len(opened) == 2 + 5
    write(tmp_path, ids=[1, 2, 9000012, 3], values=tracings(seed=1))
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(read_ecg(f"{path}#9000012").signal, tracings(seed=1)[2].T)


def _replace(name, make):
    def change(file):
        del file[name]
        make(file)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _replace("tracings", lambda file: None),
        _replace("tracings", lambda file: file.create_group("tracings")),
        _replace("tracings", lambda file: file.__setitem__("tracings", h5py.SoftLink("/exam_id"))),
        _replace("tracings", lambda file: file.__setitem__("tracings", h5py.ExternalLink("other.h5", "/x"))),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 4096, 12), "f4", external="/etc/passwd")),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 4096, 8), "f4")),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 300_000, 12), "f4", chunks=(1, 100, 12))),
        _replace("tracings", lambda file: file.create_dataset("tracings", (3, 4096, 12), "f4")),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 4096, 12), "S4")),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 4096, 12), "f4", scaleoffset=3)),
        _replace("tracings", lambda file: file.create_dataset("tracings", (4, 4096, 12), "f4", chunks=(1, 1, 1))),
        _replace(
            "tracings", lambda file: file.create_dataset("tracings", (4, 4096, 12), "f4", chunks=(1000, 4096, 12),
                                                         maxshape=(None, 4096, 12))
        ),
        _replace("exam_id", lambda file: file.create_dataset("exam_id", (10**12,), "i8", chunks=(1000,))),
        _replace("exam_id", lambda file: file.create_dataset("exam_id", data=np.zeros(4))),
        _replace("exam_id", lambda file: file.create_dataset("exam_id", data=h5py.Empty("i8"))),
    ],
)  # fmt: skip
def test_other_forms_are_refused(tmp_path, change):
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        change(file)
    assert reason_of(f"{path}#9000007") == "unknown HDF5 form"


def test_a_virtual_dataset_is_refused(tmp_path):
    path = write(tmp_path)
    layout = h5py.VirtualLayout((4, 4096, 12), "f4")
    layout[:] = h5py.VirtualSource(str(path), "tracings", (4, 4096, 12))
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["exam_id"] = np.array(IDS)
        file.create_virtual_dataset("tracings", layout)
    assert reason_of(f"{other}#9000007") == "unknown HDF5 form"


def test_links_and_pipes_are_refused(tmp_path):
    (tmp_path / "link.h5").symlink_to(write(tmp_path))
    os.mkfifo(tmp_path / "pipe.h5")
    assert {reason_of(f"{tmp_path}/{name}.h5#9000007") for name in ("link", "pipe")} == {"file cannot be opened"}


def test_damaged_files_are_rejected_or_read(tmp_path):
    values = tracings()[:, 1000:1040]
    whole = write(tmp_path, values=values, compression="gzip").read_bytes()
    rng, reasons = np.random.default_rng(0), set()
    for number in range(200):
        path = tmp_path / f"{number}.h5"
        path.write_bytes(BINARY[number % len(BINARY)](whole, rng))
        try:
            signal = read_ecg(f"{path}#9000007").signal
            assert signal.shape[0] == 12 and signal.dtype == float
        except Rejection as error:
            reasons.add(error.reason)
    assert reasons <= {"damaged HDF5 file", "unknown HDF5 form", "no such exam in the file", "empty exam"}
    assert "damaged HDF5 file" in reasons

"""docs/real_ecgs/prepare.py: limb leads become consistent, records are readable, files are copied from a commit."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "docs/real_ecgs"))
import prepare

from cmr2ecg.ecg.limb_leads import FROM_I_II, einthoven_error
from cmr2ecg.ecg.wfdb_record import read_wfdb


def limb_leads(seed: int) -> np.ndarray:
    return FROM_I_II @ np.random.default_rng(seed).normal(size=(2, 5000)) * [[0.1]] * 6


def commit(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("seed", range(3))
def test_the_ratios_of_normalised_limb_leads_are_restored(seed):
    leads = limb_leads(seed)
    leads -= leads.mean(axis=1, keepdims=True)
    deviations = leads.std(axis=1)
    scales, error = prepare.limb_scales(leads / deviations[:, None])
    np.testing.assert_allclose(scales / deviations, np.sqrt(6 / (deviations**2).sum()), rtol=1e-6)
    assert error < 1e-6 and np.sqrt((scales**2).mean()) == pytest.approx(1)


def test_leads_of_no_one_recording_leave_an_error_or_are_refused():
    leads = np.random.default_rng(0).normal(size=(6, 5000))
    try:
        assert prepare.limb_scales(leads)[1] > 0.3
    except ValueError as error:
        assert "consistent" in str(error)
    inverted = limb_leads(0)
    inverted[3] *= -1
    with pytest.raises(ValueError, match="consistent"):
        prepare.limb_scales(inverted)


def test_a_record_is_read_back_and_cut_off_at_16_bits(tmp_path):
    signal = np.vstack([limb_leads(1), np.random.default_rng(2).normal(size=(6, 5000))])
    signal[7, 10] = 99.0
    prepare.write_wfdb(tmp_path / "a", "00001_hr", signal)
    ecg = read_wfdb(tmp_path / "a/00001_hr.hea")
    assert (ecg.sampling_rate_hz, ecg.resolution_uv, ecg.missing) == (500, 1, ())
    assert ecg.signal[7, 10] == 32.767
    signal[7, 10] = 32.767
    np.testing.assert_allclose(ecg.signal, signal, atol=0.0005001)
    assert einthoven_error(ecg.signal[:6], 500, 0.001) < 0.01


def test_files_come_from_the_commit_and_keep_the_folders_asked_for(tmp_path):
    files = {
        "data/x/1.hea": b"header",
        "data/x/1.mat": b"\x00\n\x01",
        "data/x/notes.md": b"no",
        "lists/a b.txt": b"1\n",
    }
    head = commit(tmp_path / "o+r", files)
    (tmp_path / "o+r/data/x/1.mat").write_bytes(b"changed later")
    lists = (("lists/a b.txt", "RECORDS-a"),)
    source = prepare.Source("set", "o+r", head, "data", (".hea", ".mat"), lists, levels=1)
    assert prepare.copy(tmp_path, source, tmp_path / "out") == 2
    found = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert found == {"x/1.hea": b"header", "x/1.mat": b"\x00\n\x01"}
    assert (tmp_path / "out/RECORDS-a").read_bytes() == b"1\n"
    with pytest.raises(ValueError, match=r"no \.dat"):
        list(prepare.files_of(tmp_path / "o+r", head, "data", (".dat",)))


def test_slices_become_a_stack_in_the_order_of_their_numbers(tmp_path, monkeypatch):
    folder = tmp_path / prepare.ACDC / "data/ACDC/data"
    folder.mkdir(parents=True)
    for number in (1, 2, 10):
        with h5py.File(folder / f"patient001_frame01_slice_{number}.h5", "w") as file:
            file["image"], file["label"] = np.full((4, 5), number / 10), np.full((4, 5), 3, np.uint8)
    with h5py.File(folder / "patient002_frame02.h5", "w") as file:
        file["image"], file["label"] = np.zeros((2, 4, 5)), np.zeros((2, 4, 5), np.uint8)
    monkeypatch.setattr(prepare, "ACDC_COMMIT", commit(tmp_path / prepare.ACDC, {}))
    assert prepare.write_acdc(tmp_path, tmp_path / "out") == 2
    with h5py.File(tmp_path / "out/patient001_frame01.h5") as file:
        assert file["image"][:, 0, 0].tolist() == [0.1, 0.2, 1.0] and file["label"].shape == (3, 4, 5)

"""The external test of docs/real_ecgs.md: which recordings count for which class, and their AUROC."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path += [str(Path(__file__).parents[1] / "docs/real_ecgs")]
import external
from prepare import write_wfdb


def write(folder: Path, name: str, codes: str, age: str = "60") -> Path:
    rng = np.random.default_rng(len(name))
    write_wfdb(folder, name, rng.normal(0, 0.1, (12, 5000)))
    with open(folder / f"{name}.hea", "a") as header:
        header.write(f"# Age: {age}\n#Dx: {codes}\n")
    return folder / f"{name}.hea"


def test_recordings_have_their_codes_and_count_once(tmp_path):
    write(tmp_path / "a", "A1", "164889003,426783006")
    write(tmp_path / "b", "A1", "426783006")
    write(tmp_path / "b", "A2", "AF")
    write_wfdb(tmp_path / "b", "A3", np.zeros((12, 10)))  # without a diagnosis
    found = external.recordings([tmp_path / "a", tmp_path / "b"])
    assert [one.path.parent.name + one.path.stem for one in found] == ["aA1", "bA2"]
    assert all(one.has("af") for one in found) and found[0].has("sinus")


def test_flutter_alone_is_neither_with_nor_without_fibrillation(tmp_path):
    for name, codes in (("A1", "164890007"), ("A2", "164890007,164889003"), ("A3", "426783006")):
        write(tmp_path, name, codes)
    found = external.recordings([tmp_path])
    assert [(one.path.stem, positive) for one, positive in external.labelled(found, "af")] == [
        ("A2", True),
        ("A3", False),
    ]
    assert sum(positive for _, positive in external.labelled(found, "flutter")) == 2


def test_rejected_recordings_are_not_counted(tmp_path):
    paths = [write(tmp_path, f"A{place}", "AF" if place < 3 else "Normal") for place in range(6)]
    found = external.recordings([tmp_path])
    risks = dict(zip(paths, (0.9, 0.8, np.nan, 0.1, 0.85, 0.2), strict=True))
    ((n, positive, auroc, low, high),) = external.scores_by_set({"x": found}, risks, "af").values()
    assert (n, positive) == (5, 2) and auroc == pytest.approx(5 / 6) and low < auroc < high
    assert external.scores_by_set({"x": found[:2]}, risks, "af") == {}  # one class only


def test_copies_are_filtered_and_scaled_as_those_of_the_training_set(tmp_path):
    time = np.arange(5000) / 500
    beat = np.exp(-0.5 * ((time % 0.8 - 0.4) / 0.02) ** 2)
    one, two = 1.5 * beat, 0.7 * beat + 0.1 * np.roll(beat, 90)
    limb = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    write_wfdb(tmp_path, "A1", np.concatenate([limb, np.outer(np.arange(1, 7), beat)]) + 0.3)
    (copy,) = external.as_the_training_set([tmp_path / "A1.hea"], tmp_path / "copies")
    signal = external.read_ecg(copy).signal
    np.testing.assert_allclose(signal[0] - signal[1] + signal[2], 0, atol=0.01)
    np.testing.assert_allclose(signal[6:].std(axis=1), external.CHEST_MV, rtol=0.01)
    np.testing.assert_allclose(signal.mean(axis=1), 0, atol=0.01)
    (tmp_path / "broken.hea").write_text("nothing\n")
    assert external.as_the_training_set([tmp_path / "broken.hea"], tmp_path / "copies") == [tmp_path / "broken.hea"]

import numpy as np
import pytest

from cmr2ecg.cohort.duplicates import centred, duplicate_groups, scan_recordings


def recordings(count=300, samples=1500, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, samples // 3)).astype(np.float32)


def groups(data, correlation=0.999):
    def read(rows):
        return data[rows]

    return duplicate_groups(scan_recordings(read, len(data), "test"), read, correlation)


def test_all_different_recordings_make_no_group():
    assert groups(recordings()) == []


def test_the_same_samples_are_identical_whatever_their_number():
    data = recordings()
    data[[7, 120, 299]] = data[3]
    data[[40]] = data[39]
    assert groups(data) == [("identical", [3, 7, 120, 299]), ("identical", [39, 40])]


@pytest.mark.parametrize(("correlation", "found"), [(0.9995, True), (0.9985, False)])
def test_a_noisy_scaled_copy_counts_from_the_wanted_correlation_on(correlation, found):
    data = recordings()
    noise = recordings(1, seed=1)[0]
    data[250] = 40 + 3 * (data[10] + noise * np.sqrt(1 / correlation**2 - 1))
    true = np.corrcoef(data[250].ravel(), data[10].ravel())[0, 1]
    assert (true >= 0.999) == found
    assert groups(data) == ([("correlated", [10, 250])] if found else [])


def test_every_near_copy_is_found():
    """The sketch loses none: 200 copies just inside the limit."""
    data = recordings(400, 1200)
    data[200:] = data[:200] + recordings(200, 1200, seed=2) * np.sqrt(1 / 0.9992**2 - 1)
    true = np.einsum("ij,ij->i", *(centred(part.reshape(200, -1)) for part in (data[:200], data[200:])))
    wanted = [("correlated", [row, row + 200]) for row in np.flatnonzero(true >= 0.999)]
    assert len(wanted) > 150 and groups(data) == wanted


def test_chains_and_mixed_kinds_are_one_group():
    data = recordings(20)
    data[5] = data[4]
    data[9] = data[4] * 2
    assert groups(data) == [("correlated", [4, 5, 9])]


def test_constant_recordings_are_identical_only():
    data = recordings(6)
    data[[1, 4]] = 0.5
    data[2] = 0.25
    assert groups(data) == [("identical", [1, 4])]


def test_low_precision_images_of_any_size():
    data = np.random.default_rng(0).random((70, 3, 7, 11)).astype(np.float16)
    data[69] = data[0]
    assert groups(data) == [("identical", [0, 69])]

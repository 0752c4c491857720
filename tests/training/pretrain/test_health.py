"""Spread, rank, alignment and uniformity against closed forms and slow formulas."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cmr2ecg.training.pretrain.health import alignment, collapsed, effective_rank, measure, spread, uniformity


def even(n=4000, d=32, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_an_even_spread_is_one_and_a_constant_zero():
    assert spread(even()) == pytest.approx(1, abs=0.01)
    assert spread(torch.ones(10, 4)) == 0


@pytest.mark.parametrize("d", [8, 64])
def test_effective_rank_counts_directions(d):
    basis = torch.eye(d)[:3]
    z = even(3000, 3) @ basis + 5
    assert effective_rank(z) == pytest.approx(3, abs=0.05)
    assert effective_rank(torch.linspace(0, 1, 20)[:, None] * torch.ones(1, d)) == pytest.approx(1, abs=1e-3)
    assert effective_rank(torch.full((20, d), 0.3)) == 0


def test_effective_rank_is_the_same_from_either_gram_matrix():
    z = even(30, 40)
    wide = effective_rank(z)
    assert effective_rank(torch.cat([z, torch.zeros(30, 100)], dim=1)) == pytest.approx(wide)
    assert effective_rank(torch.cat([z, z])) == pytest.approx(wide, rel=1e-4)


def test_alignment_of_equal_opposite_and_orthogonal_pairs():
    z = even(20, 6)
    assert alignment(z, 3 * z) == pytest.approx(0, abs=1e-6)
    assert alignment(z, -z) == pytest.approx(4)
    assert alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])) == pytest.approx(2)


def test_uniformity_equals_the_double_loop():
    z = normalize(even(40, 5), dim=1).double().numpy()
    pairs = [math.exp(-2 * np.sum((z[i] - z[j]) ** 2)) for i in range(40) for j in range(40) if i != j]
    assert uniformity(torch.tensor(z).float()) == pytest.approx(math.log(np.mean(pairs)), abs=1e-5)
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-6)


def test_what_counts_as_collapsed():
    good, same = even(200, 16), torch.ones(200, 16) + 1e-3 * even(200, 16)
    line = torch.linspace(-1, 1, 200)[:, None] * torch.ones(1, 16)
    features = {"encoder": good, "same": same, "line": line, "a": good, "b": same}
    assert collapsed(measure(features, ("a", "b"))) == ["same", "line"]


def test_one_row_says_nothing():
    assert measure({"encoder": even(1), "a": even(1), "b": even(1)}, ("a", "b")) == {}

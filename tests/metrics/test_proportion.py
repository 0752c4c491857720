"""The interval of a share against published examples."""

import pytest

from cmr2ecg.metrics.proportion import wilson


@pytest.mark.parametrize(
    ("positive", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],  # Newcombe 1998, table I, method 3
)
def test_wilson_interval_of_published_examples(positive, n, low, high):
    share, *interval = wilson(positive, n)
    assert share == positive / n
    assert interval == pytest.approx([low, high], abs=5e-4)

"""The AUROC against scikit-learn and against its own properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cmr2ecg.metrics.auroc import auroc

subjects = st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


@given(subjects)
def test_agrees_with_scikit_learn_with_many_ties(pairs):
    labels, scores = (np.array(column, float) for column in zip(*pairs, strict=True))
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(subjects)
def test_turns_over_with_the_labels_and_ignores_the_scale(pairs):
    labels, scores = (np.array(column, float) for column in zip(*pairs, strict=True))
    value = auroc(labels, scores)
    assert auroc(1 - labels, scores) == pytest.approx(1 - value)
    assert auroc(labels, np.exp(scores)) == pytest.approx(value)


def test_closed_forms():
    assert auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert auroc(np.array([0, 1]), np.array([0.5, 0.5])) == 0.5
    assert np.isnan(auroc(np.zeros(3), np.arange(3)))
    assert np.isnan(auroc(np.ones(3), np.arange(3)))

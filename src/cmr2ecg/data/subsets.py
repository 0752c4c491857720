"""Balanced training subsets: positives and as many fixed negatives (paper §IV-B, §V-D)."""

import numpy as np
import pandas as pd

from cmr2ecg.runtime.command import InputError


def balanced_subset(
    labels: pd.DataFrame, target: str, *, fraction: float, minimum_pairs: int, seed: int
) -> pd.DataFrame:
    """Return eid, label of `fraction` percent of the positives and as many negatives, in order of eid.

    Positives and negatives are each shuffled once by `seed` and the first pairs are taken, so that a smaller fraction
    lies within every larger one and the negatives stay the same ("a static set", §IV-B).

    Args:
        labels: eid and `target` (0 or 1) of the training subjects.
        target: name of the label column.
        fraction: percent of the positives; rounded to whole pairs.
        minimum_pairs: no subset is smaller.
        seed: of the shuffling.

    Raises:
        InputError: if there are fewer positives than `minimum_pairs`, or fewer negatives than positives.
    """
    labels = labels.sort_values("eid", ignore_index=True)
    positive = labels[target].to_numpy() == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive < max(minimum_pairs, 1):
        raise InputError(
            f"{target} has {n_positive} positives in the training set, fewer than balance_subset.minimum_pairs = "
            f"{minimum_pairs}; lower that setting, add subjects, or drop {target} from finetune.targets"
        )
    if n_negative < n_positive:
        raise InputError(
            f"{target} has {n_positive} positives but only {n_negative} negatives in the training set, so "
            f"balance_subset cannot pair them; check the codes in read_tabular.diseases.{target}"
        )
    pairs = pair_count(n_positive, fraction, minimum_pairs)
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(np.flatnonzero(group))[:pairs] for group in (positive, ~positive)]
    rows = labels.iloc[np.sort(np.concatenate(chosen))]
    return pd.DataFrame({"eid": rows["eid"], "label": rows[target].astype("int64")})


def no_training_set(target: str) -> str:
    """Return why a disease with an empty balanced subset is not trained for."""
    return f"{target}: fewer positives or negatives in the train split than a balanced training set needs"


def pair_count(n_positive: int, fraction: float, minimum_pairs: int) -> int:
    """Return the number of pairs: `fraction` percent of the positives, rounded half up, at least `minimum_pairs`."""
    return min(n_positive, max(minimum_pairs, int(np.floor(n_positive * fraction / 100 + 0.5))))

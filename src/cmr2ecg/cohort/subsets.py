"""Training subsets: positives and as many fixed negatives (paper §IV-B, §V-D), or subjects with phenotypes."""

from functools import partial

import numpy as np
import pandas as pd

from cmr2ecg.loading.labels import MIN_VALUES
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import WHOLE, is_regression


def balanced_subsets(
    labels: pd.DataFrame, target: str, *, fraction: float, minimum_pairs: int, seed: int, draws: int, pairs: bool = True
) -> pd.DataFrame:
    """Return eid, label of a balanced subset; several draws are concatenated, with their number in `draw`.

    The whole set has one draw. pairs: as many negatives as positives, or the share of the training subjects
    (`natural_subset`). Other arguments and errors are those of `balanced_subset`.
    """
    one = balanced_subset if pairs else natural_subset
    drawn = partial(one, labels, target, fraction=fraction, minimum_pairs=minimum_pairs, seed=seed)
    if draws == 1 or fraction == WHOLE:
        return drawn()
    tables = [drawn(draw=draw).assign(draw=draw) for draw in range(draws)]
    return pd.concat(tables, ignore_index=True)


def random_subsets(eids: np.ndarray, *, fraction: float, minimum_pairs: int, seed: int, draws: int) -> pd.DataFrame:
    """Return eid of `fraction` percent of some subjects, in order; several draws are concatenated, with `draw`.

    Each draw shuffles the subjects once, by `seed` and its number, and takes the first, so that within a draw smaller
    fractions are nested in larger ones. No subset is smaller than a phenotype needs (MIN_VALUES) or than the
    smallest for a disease, twice `minimum_pairs`.

    eids: (n,) of those who have a value.
    """
    eids = np.sort(eids)
    size = subset_size(len(eids), fraction, max(MIN_VALUES, 2 * minimum_pairs))
    drawn = [np.sort(np.random.default_rng([seed, draw]).permutation(eids)[:size]) for draw in range(draws)]
    if draws == 1:
        return pd.DataFrame({"eid": drawn[0]})
    return pd.concat([pd.DataFrame({"eid": chosen, "draw": draw}) for draw, chosen in enumerate(drawn)])


def draws_of(subset: pd.DataFrame) -> int:
    """Return the number of draws in a table."""
    return int(subset["draw"].max()) + 1 if "draw" in subset and len(subset) else 1


def of_draw(subset: pd.DataFrame, draw: int) -> pd.DataFrame:
    """Return one draw without its number; a table without draws serves for all."""
    return subset[subset["draw"] == draw].drop(columns="draw") if "draw" in subset else subset


def balanced_subset(
    labels: pd.DataFrame, target: str, *, fraction: float, minimum_pairs: int, seed: int, draw: int = 0
) -> pd.DataFrame:
    """Return eid, label of `fraction` percent of the positives and as many negatives, in order of eid.

    Positives and negatives are each shuffled once by `seed` and the first pairs are taken, so that smaller fractions
    are nested in larger ones and the negatives are fixed ("a static set", §IV-B). Each further draw reshuffles the
    pairs of the whole set.

    Args:
        labels: eid and `target` (0 or 1) of the training subjects.
        target: name of the label column.
        fraction: percent of the positives; rounded to whole pairs.
        minimum_pairs: no subset is smaller.
        seed: of the shuffling.
        draw: 0, 1, ...

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
    pairs = subset_size(n_positive, fraction, minimum_pairs)
    generator = np.random.default_rng(seed)
    whole = [generator.permutation(np.flatnonzero(group))[:n_positive] for group in (positive, ~positive)]
    if draw:
        generator = np.random.default_rng([seed, draw])
        whole = [generator.permutation(group) for group in whole]
    chosen = [group[:pairs] for group in whole]
    rows = labels.iloc[np.sort(np.concatenate(chosen))]
    return pd.DataFrame({"eid": rows["eid"], "label": rows[target].astype("int64")})


def natural_subset(
    labels: pd.DataFrame, target: str, *, fraction: float, minimum_pairs: int, seed: int, draw: int = 0
) -> pd.DataFrame:
    """Return eid, label of `fraction` percent of the positives and of the negatives, in order of eid.

    Each group is shuffled once by `seed` and its first are taken, so that smaller fractions are nested in larger ones;
    the prevalence is that of the training subjects, but for rounding and `minimum_pairs`, the fewest of either group.

    Raises:
        InputError: if there are fewer positives or negatives than `minimum_pairs`.
    """
    labels = labels.sort_values("eid", ignore_index=True)
    positive = labels[target].to_numpy() == 1
    groups = [np.flatnonzero(group) for group in (positive, ~positive)]
    fewest = max(minimum_pairs, 1)
    if min(map(len, groups)) < fewest:
        raise InputError(
            f"{target} has {len(groups[0])} positives and {len(groups[1])} negatives in the training set, fewer than "
            f"balance_subset.minimum_pairs = {fewest}; lower that setting, add subjects, or drop {target} from "
            "finetune.targets"
        )
    generator = np.random.default_rng([seed, draw])
    chosen = [generator.permutation(group)[: subset_size(len(group), fraction, fewest)] for group in groups]
    rows = labels.iloc[np.sort(np.concatenate(chosen))]
    return pd.DataFrame({"eid": rows["eid"], "label": rows[target].astype("int64")})


def no_training_set(target: str) -> str:
    """Return why a target with an empty subset is not trained."""
    if is_regression(target):
        return f"{target}: no subject of the training set has one of its phenotypes"
    return f"{target}: fewer positives or negatives in the train split than a balanced training set needs"


def subset_size(whole: int, fraction: float, fewest: int) -> int:
    """Return `fraction` percent of a number of pairs or subjects, rounded half up, at least `fewest` if there are."""
    return min(whole, max(fewest, int(np.floor(whole * fraction / 100 + 0.5))))

"""The headline in words, by a plain rule on the 95 % intervals of its paired differences."""

from collections.abc import Iterator

import pandas as pd

from cmr2ecg.study.targets import WHOLE, is_regression

OTHERS = {"supervised": "the supervised ViT", "supervised_cnn": "the supervised CNN", "mae": "the MAE"}
OPTIONAL = ("supervised_cnn",)  # not in the paper: not missed where it was not fitted
NONE = "none"
KINDS = (("phenotype group", True), ("disease", False))


def sentences(data: pd.DataFrame) -> list[str]:
    """Return a sentence on the probes and one on each size of the training set, few labels first.

    MMCL is above another model where the interval of their difference lies above zero, below it where that lies below
    zero. Differences with a model that was not trained, or without an interval, are named but not counted.
    """
    probes, tuned = (data[data["fit"] == fit] for fit in ("probe", "finetune"))
    sizes = sorted({WHOLE, *tuned["fraction"]})
    return [_probed(probes), *(_fine_tuned(tuned[tuned["fraction"] == size], size) for size in sizes)]


def _probed(rows: pd.DataFrame) -> str:
    if "mmcl" not in set(rows["encoder"]):
        return "MMCL was not probed."
    pairs = rows[rows["other_encoder"] == "mae"]
    return f"Linear probes of MMCL's embeddings are {verdict(pairs, 'those of the MAE')}."


def _fine_tuned(rows: pd.DataFrame, size: int) -> str:
    labels = "all labels" if size == WHOLE else f"{size} % of the labels"
    if "mmcl" not in set(rows["encoder"]):
        return f"MMCL was not fine-tuned with {labels}."
    found = {name: rows[rows["other_encoder"] == name] for name in OTHERS}
    parts = [verdict(pairs, OTHERS[name]) for name, pairs in found.items() if len(pairs) or name not in OPTIONAL]
    return f"Fine-tuned with {labels}, MMCL is {'; '.join(parts)}."


def verdict(pairs: pd.DataFrame, other: str) -> str:
    """Return in how many targets MMCL is above another model, and where it is below or not counted, if anywhere."""
    if pairs.empty:
        return f"not compared with {other} (not run, or on other targets)"
    counted = pairs[(pairs["marked"] == "") & pairs["low"].notna()]
    dropped = pairs.drop(counted.index)
    without = f"{_totals(dropped)} with a model that is not trained, or without an interval"
    if counted.empty:
        return f"not compared with {other} ({without})"
    above, below = _counts(counted, counted["low"] > 0), _counts(counted, counted["high"] < 0)
    said = f"above {other} in {' and '.join(f'{count or NONE} of {total}' for count, total in above)}"
    lower = [f"{count} of {total}" for count, total in below if count]
    said += f", below in {' and '.join(lower)}" * bool(lower)
    return said + f" (not counted: {without})" * bool(len(dropped))


def _counts(pairs: pd.DataFrame, seen: pd.Series) -> list[tuple[int, str]]:
    """Return for each kind of target in how many it is seen, and of how many: (5, "5 phenotype groups")."""
    return [(int(seen[members.index].sum()), _plural(len(members), name)) for name, members in _kinds(pairs)]


def _totals(pairs: pd.DataFrame) -> str:
    return " and ".join(_plural(len(members), name) for name, members in _kinds(pairs))


def _kinds(pairs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, regression in KINDS:
        members = pairs[pairs["target"].map(is_regression) == regression]
        if len(members):
            yield name, members


def _plural(count: int, name: str) -> str:
    return f"{count} {name}" + "s" * (count != 1)

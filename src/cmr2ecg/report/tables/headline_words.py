"""The headline in words, by a plain rule on the 95 % intervals of its paired differences."""

from collections.abc import Iterator, Mapping

import pandas as pd

from cmr2ecg.study.targets import WHOLE, is_regression

OTHERS = {"supervised": "the supervised ViT", "supervised_cnn": "the supervised CNN", "mae": "the MAE"}
OURS = {"mmcl": "MMCL", "mae": "the MAE"}
PROBED = {"mmcl": ("mae", "those of the MAE"), "mae": ("random", "those of a random ViT")}
OPTIONAL = ("supervised_cnn",)  # not in the paper: not missed where it was not fitted
NONE = "none"
WITHOUT = "with a model that is not trained, or without an interval"
KINDS = (("phenotype group", True), ("disease", False))


def sentences(data: pd.DataFrame) -> list[str]:
    """Return a sentence on the probes and one on each size of the training set, few labels first.

    MMCL is above another model where the interval of their difference lies above zero, below it where that lies below
    zero. Differences with a model that was not trained, or without an interval, are named but not counted.
    """
    data = data[~data["macro"].astype(bool)]
    probes, tuned = (data[data["fit"] == fit] for fit in ("probe", "finetune"))
    sizes = sorted({WHOLE, *tuned["fraction"]})
    ours = "mmcl" if "mmcl" in {*data["encoder"]} or "mae" not in {*data["encoder"]} else "mae"
    return [_probed(probes, ours), *(_fine_tuned(tuned[tuned["fraction"] == size], size, ours) for size in sizes)]


def _probed(rows: pd.DataFrame, ours: str) -> str:
    if ours not in set(rows["encoder"]):
        return f"{_capital(OURS[ours])} was not probed."
    other, those = PROBED[ours]
    return f"Linear probes of {OURS[ours]}'s embeddings are {verdict(rows[rows['other_encoder'] == other], those)}."


def _fine_tuned(rows: pd.DataFrame, size: int, ours: str) -> str:
    labels = "all labels" if size == WHOLE else f"{size} % of the labels"
    if ours not in set(rows["encoder"]):
        return f"{_capital(OURS[ours])} was not fine-tuned with {labels}."
    found = {name: rows[rows["other_encoder"] == name] for name in OTHERS if name != ours}
    found = {name: pairs for name, pairs in found.items() if len(pairs) or name not in OPTIONAL}
    parts = [verdict(pairs, OTHERS[name]) for name, pairs in found.items() if _reason(pairs) is None]
    return f"Fine-tuned with {labels}, {OURS[ours]} is {'; '.join([*parts, *_not_compared(found)])}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _not_compared(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a part of the sentence for each reason why models are not compared."""
    reasons: dict[str, list[str]] = {}
    for name, pairs in found.items():
        if reason := _reason(pairs):
            reasons.setdefault(reason, []).append(OTHERS[name])
    return [f"not compared with {_listed(names)} ({reason})" for reason, names in reasons.items()]


def verdict(pairs: pd.DataFrame, other: str) -> str:
    """Return in how many targets MMCL is above another model, and where it is below or not counted, if anywhere."""
    if reason := _reason(pairs):
        return f"not compared with {other} ({reason})"
    counted = pairs[_countable(pairs)]
    above, below = _counts(counted, counted["low"] > 0), _counts(counted, counted["high"] < 0)
    said = f"above {other} in {' and '.join(f'{count or NONE} of {total}' for count, total in above)}"
    lower = [f"{count} of {total}" for count, total in below if count]
    said += f", below in {' and '.join(lower)}" * bool(lower)
    dropped = pairs.drop(counted.index)
    return said + f" (not counted: {_totals(dropped)} {WITHOUT})" * bool(len(dropped))


def _reason(pairs: pd.DataFrame) -> str | None:
    """Return why no difference counts, or None."""
    if pairs.empty:
        return "not run, or on other targets"
    return None if _countable(pairs).any() else f"{_totals(pairs)} {WITHOUT}"


def _countable(pairs: pd.DataFrame) -> pd.Series:
    return (pairs["marked"] == "") & pairs["low"].notna()


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


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

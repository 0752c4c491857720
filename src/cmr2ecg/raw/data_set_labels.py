"""The labels of one recording of a data set, from flags, lists of codes or text, as the config declares them.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from cmr2ecg.raw.data_set_table import SETTING, Row, cell
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.data_set import WORD, Labels

TRUE, FALSE = ("1", "true", "t", "yes"), ("0", "false", "f", "no")


def labels_of(row: Row, labels: Labels) -> dict[str, str]:
    """Return 0 or 1 for every class, all of them "" where the recording has no label.

    Raises:
        InputError: if a flag is neither true nor false; names the column.
    """
    known = _BY_FORM[labels.form](row, labels)
    if labels.complete and not any(known[name] == "1" for name in labels.complete):
        return dict.fromkeys(known, "")
    return known


def _flags(row: Row, labels: Labels) -> dict[str, str]:
    return {name: _any([_flag(row[column], column) for column in codes]) for name, codes in labels.classes.items()}


def _flag(text: str, column: str) -> str:
    text = cell(text).lower()
    if text and text not in (*TRUE, *FALSE):
        raise InputError(f"{SETTING}.labels: the column {column} holds something other than 0 and 1, true and false")
    return "1" if text in TRUE else text and "0"


def _any(flags: Sequence[str]) -> str:
    return "1" if "1" in flags else "" if "" in flags else "0"


def _codes(row: Row, labels: Labels) -> dict[str, str]:
    there = {word for column in labels.columns for word in WORD.findall(cell(row[column]))}
    if not there:
        return dict.fromkeys(labels.classes, "")
    return {name: str(int(not there.isdisjoint(codes))) for name, codes in labels.classes.items()}


def _phrases(row: Row, labels: Labels) -> dict[str, str]:
    said = [text for column in labels.columns if (text := cell(row[column]))]
    if not said:
        return dict.fromkeys(labels.classes, "")
    return {name: str(int(any(_says(text, codes) for text in said))) for name, codes in labels.classes.items()}


@lru_cache(maxsize=100_000)  # reports are made of few sentences
def _says(text: str, phrases: tuple[str, ...]) -> bool:
    """Return whether a text has one of some phrases, in whole words, whatever the case and the blanks between them."""
    wanted = "|".join(re.escape(" ".join(phrase.lower().split())) for phrase in phrases)
    return bool(re.search(rf"(?<!\w)(?:{wanted})(?!\w)", " ".join(text.lower().split())))


_BY_FORM: Mapping[str, Callable[[Row, Labels], dict[str, str]]] = {
    "flags": _flags, "codes": _codes, "phrases": _phrases,
}  # fmt: skip

"""Turn what YAML or JSON holds into a section of the settings; each mistake is one line that names the setting."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.base import Mistake, Section, incomplete

S = TypeVar("S", bound=Section)

KINDS = {
    "model_type": "a map of settings",
    "dict_type": "a map of settings",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
}
BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "greater_than": "more than {gt}",
    "less_than": "less than {lt}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text of at least {min_length} character(s)",
}
MEANINGS = {  # the start of a pattern -> what is expected
    "^[A-Za-z0-9]": "the name of the cohort, a folder name: letters, digits, points, dashes",
    "^[a-z][a-z0-9_]*$": "a disease of read_tabular.diseases, or lv, rv, wt, ecc, err",
    "^[a-z0-9_]*resne": "the name of a timm ResNet, such as resnet50 or resnet18",
    "^(LV": "the name of a phenotype in tables/phenotypes_61.tsv",
}
LONGEST_VALUE = 60  # characters of a value shown in a message
KEY = "[key]"  # pydantic's word for the key of a map


def validated(kind: type[S], given: Any, name: str = "settings") -> S:
    """Return a section with all of its settings.

    Args:
        kind: the section.
        given: a map as YAML or JSON has it.
        name: what the message begins with.

    Raises:
        InputError: for the first setting that is unknown, mistyped, out of its range or missing.
    """
    try:
        section = kind.model_validate(given)
    except ValidationError as error:
        complaint = _explain(min(map(_named, error.errors(include_url=False)), key=_order), kind)
        raise InputError(f"{name}: {' '.join(complaint.split())}") from None
    for absent in incomplete(section):
        raise InputError(f"{name}: {_explain_absent(*absent)}")
    return section


def step_settings(kind: type[S], given: Mapping[str, Any]) -> S:
    """Return what a step was told as --settings; every setting must be there, for a step has no defaults.

    Raises:
        InputError: one line that names the first setting that is wrong.
    """
    return validated(kind, given, "--settings")


def _named(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an error of pydantic's; one of ours in the same form."""
    own = error.get("ctx", {}).get("error")
    return {**error, "type": own.kind, "ctx": own.given} if isinstance(own, Mistake) else error


def _order(error: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """Put unknown keys first, often the reason for whatever else is wrong, and a short list behind its bad entries."""
    known = error["type"] != "unknown_key" and KEY not in error["loc"]
    return known, error["type"] == "too_short", _dotted(error["loc"])


def _explain(error: Mapping[str, Any], section: type[Section]) -> str:
    path, kind, given = _dotted(error["loc"]), error["type"], error.get("ctx", {})
    if kind == "unknown_key":
        return _unknown_key(path, given["key"], given["known"])
    if KEY in error["loc"]:
        known = _choices(given) if kind == "literal_error" else []
        return _unknown_key(_dotted(error["loc"][:-2]), str(error["loc"][-2]), known)
    if kind in KINDS:
        return _explain_type(path, error["input"], KINDS[kind], " or null" * _takes_null(section, error["loc"]))
    return f"{_is(path, error['input'])}; {_wanted(kind, given) or error['msg']}"


def _wanted(kind: str, given: Mapping[str, Any]) -> str:
    if kind == "twice":
        return "an entry stands there twice"
    if kind == "literal_error":
        choices = _choices(given)
        return f"expected {'one of ' * (len(choices) > 1)}{', '.join(choices)}"
    if kind == "string_pattern_mismatch":
        return "".join(f"expected {text}" for start, text in MEANINGS.items() if given["pattern"].startswith(start))
    few_keys = kind == "too_short" and given["field_type"] == "Dictionary"
    shape = "at least {min_length} key(s)" if few_keys else BOUNDS.get(kind)
    plain = {name: f"{value:g}" if isinstance(value, float) else value for name, value in given.items()}
    return f"expected {shape.format(**plain)}" if shape else ""


def _choices(given: Mapping[str, Any]) -> list[str]:
    """["a", "b"] of pydantic's "'a' or 'b'", and [[a, b], [a]] of lists."""
    return [choice.strip("'") for choice in re.split(r", (?![^\[]*\])| or ", given["expected"])]


def _unknown_key(path: str, key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    hint = hint if known else "expected a name of small letters, digits and _"
    return f"unknown key {path + '.' if path else ''}{key} ({hint})"


def _explain_absent(name: str, null: bool) -> str:
    said = "is None (nothing); drop it" if null else "is missing; config/paper.yaml holds the paper's value"
    return f"{name} {said}"


def _is(path: str, value: Any) -> str:
    shown = repr(list(value) if isinstance(value, tuple) else value)
    shown = shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 3] + "..."
    return f"{path or 'the whole configuration'} is {shown}"


def _takes_null(kind: Any, path: Sequence[str | int]) -> bool:
    """Return whether null may stand at a place below sections."""
    for part in path:
        if not (isinstance(kind, type) and issubclass(kind, Section)):
            return False
        kind = kind.model_fields[kind.names()[str(part)]].annotation
    return type(None) in get_args(kind)


def _explain_type(path: str, value: Any, wanted: str, or_null: str) -> str:
    kinds = {str: "text", bool: "true or false", type(None): "nothing", dict: "a map", list: "a list"}
    kind = kinds.get(type(value), type(value).__name__)
    return f"{_is(path, value)} ({kind}), expected {wanted}{or_null}{_type_hint(value, wanted)}"


def _type_hint(value: Any, wanted: str) -> str:
    if wanted == "a list" and isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"; write [{value}]"
    if wanted == "a number" and isinstance(value, str):
        return _number_hint(value.strip())
    if wanted == "a whole number" and isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip()):
        return f"; write {value.strip()} without quotes"
    return ""


def _number_hint(text: str) -> str:
    """YAML 1.1 takes 1e-3 and 1.0e3 for text: it wants a point before the e and a sign behind it."""
    match = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?)(\d+))?", text)
    if not match or not (match[2] or match[3]):
        return ""
    if match[5] is None:
        return f"; write {text} without quotes"
    return f"; YAML needs {match[1]}{match[2] or 0}.{match[3] or 0}e{match[4] or '+'}{match[5]}"


def _dotted(path: Sequence[str | int]) -> str:
    """('finetune', 'seeds', 1) -> finetune.seeds[1]."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")

"""Check a merged configuration: each key against the schema, then what several keys must agree on.

Every complaint is one line that names the setting. Nothing heavy is imported: Snakemake calls this at each start.
"""

import difflib
import math
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.config_agreement import disagreements

KINDS = {
    "object": "a map of settings",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "a list of at least {}",
    "maxItems": "a list of at most {}",
    "minLength": "text of at least {} character(s)",
    "minProperties": "at least {} key(s)",
}
LONGEST_VALUE = 60  # characters of a value shown in a message


def check(config: Mapping[str, Any], schema_path: Path | str) -> None:
    """Raise InputError with one line for the first setting that is unknown, mistyped, missing or impossible.

    config: all settings after overlays are merged. schema_path: workflow/schemas/config.schema.yaml.
    """
    config = with_text_keys(config)
    errors = sorted(_validator(Path(schema_path)).iter_errors(config), key=_order)
    complaint = _explain(errors[0]) if errors else next(disagreements(config), None)
    if complaint:
        raise InputError("config: " + " ".join(complaint.split()))


def with_text_keys(value: Any) -> Any:
    """Return the value with every map's keys as text: YAML reads `100:`, `on:` and `~:` as other types."""
    if isinstance(value, Mapping):
        return {str(key): with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_text_keys(item) for item in value]
    return value


@cache
def _validator(schema_path: Path) -> Draft202012Validator:
    """Return a validator for which 5.0 is no whole number, and infinity, NaN and 2**63 are no numbers."""
    with open(schema_path, encoding="utf-8") as handle:
        schema = yaml.load(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and _is_number(value),
            "number": lambda _, value: isinstance(value, int | float) and _is_number(value),
        }
    )
    return validators.extend(Draft202012Validator, type_checker=types)(schema)


def _is_number(value: int | float) -> bool:
    return not isinstance(value, bool) and abs(value) < (2**63 if isinstance(value, int) else math.inf)


def _order(error: ValidationError) -> tuple[bool, bool, str]:
    """Put unknown keys first: a misspelt key is often the reason for whatever else is wrong."""
    unknown = error.validator == "additionalProperties" or "propertyNames" in error.absolute_schema_path
    return not unknown, error.validator == "required", _dotted(error.absolute_path)


def _explain(error: ValidationError) -> str:
    path = _dotted(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        return _unknown_key(path, error.instance, error.validator_value)
    if error.validator in EXPLANATIONS:
        return EXPLANATIONS[error.validator](path, error)
    wanted = BOUNDS.get(error.validator, f"{error.validator} {{}}").format(error.validator_value)
    return f"{_is(path, error)}; {wanted} is wanted"


def _is(path: str, error: ValidationError) -> str:
    value = repr(error.instance)
    shown = value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 3] + "..."
    return f"{path or 'the whole configuration'} is {shown}"


def _explain_unknown(path: str, error: ValidationError) -> str:
    known = error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    key = next(k for k in error.instance if k not in known and not any(re.search(p, k) for p in patterns))
    return _unknown_key(path, key, [*known, *(k for k in error.instance if k not in known and k != key)])


def _unknown_key(path: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {path + '.' if path else ''}{key} ({hint})"


def _explain_missing(path: str, error: ValidationError) -> str:
    key = next(k for k in error.validator_value if k not in error.instance)
    return f"{path + '.' if path else ''}{key} is missing; config/paper.yaml holds the paper's value"


def _explain_type(path: str, error: ValidationError) -> str:
    value, wanted = error.instance, error.validator_value
    kind = {str: "text", bool: "true or false", type(None): "nothing", dict: "a map", list: "a list"}
    shown = _is(path, error) + f" ({kind.get(type(value), type(value).__name__)})"
    kinds = wanted if isinstance(wanted, list) else [wanted]
    return f"{shown}, {' or '.join(KINDS[kind] for kind in kinds)} is wanted{_type_hint(value, kinds[0])}"


def _type_hint(value: Any, wanted: str) -> str:
    if wanted == "array" and isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"; write [{value}]"
    if wanted == "number" and isinstance(value, str):
        return _number_hint(value.strip())
    if wanted == "integer" and isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip()):
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


def _explain_choice(path: str, error: ValidationError) -> str:
    choices = [str(choice) for choice in error.validator_value]
    return f"{_is(path, error)}; {'one of ' * (len(choices) > 1)}{', '.join(choices)} is wanted"


def _explain_meaning(path: str, error: ValidationError) -> str:
    return f"{_is(path, error)}; wanted: {error.schema.get('description', error.validator_value)}"


EXPLANATIONS: dict[str, Callable[[str, ValidationError], str]] = {
    "additionalProperties": _explain_unknown,
    "required": _explain_missing,
    "type": _explain_type,
    "enum": _explain_choice,
    "pattern": _explain_meaning,
    "const": lambda path, error: f"{_is(path, error)}; {error.validator_value} is wanted",
    "uniqueItems": lambda path, error: f"{_is(path, error)}; an entry stands there twice",
}


def _dotted(path: Any) -> str:
    """['finetune', 'seeds', 1] -> finetune.seeds[1]."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def check_files(section: str, files: Mapping[str, str | None]) -> None:
    """Stop if a file named below a section is not there.

    Raises:
        InputError: names the setting and the path.
    """
    for name, path in files.items():
        if path and not os.path.isfile(path):
            raise InputError(f"{section}.{name}: there is no file {path}; correct the path in the config file")


def check_raw_paths(raw: Mapping[str, Sequence[str]]) -> None:
    """Stop if a folder or file named below `raw` is not there, or a folder stands where a file belongs.

    Raises:
        InputError: names the setting and the path.
    """
    for kind, paths in raw.items():
        what = "folder" if kind in ("ecg", "cmr", "segmentations") else "file"
        for path in paths:
            if what == "file" and os.path.isdir(path):
                raise InputError(f"raw.{kind}: {path} is a folder; name the files in it, each by itself")
            try:
                mode = os.stat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                raise InputError(
                    f"raw.{kind}: there is no {what} {path}; correct the path in the config file"
                ) from None
            except OSError as error:
                raise InputError(
                    f"raw.{kind}: {path} cannot be reached ({error.strerror}); see that its disk is mounted"
                ) from None
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(
                    f"raw.{kind}: {path} is neither a folder nor a file; correct the path in the config file"
                )

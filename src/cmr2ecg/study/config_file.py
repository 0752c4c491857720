"""Read a config file strictly: what Snakemake takes silently or answers with a traceback is one line here.

    python -m cmr2ecg.study.config_file config/ukb.yaml

`make run` asks so before it starts Snakemake, and so does profiles/default for a plain `snakemake`: Snakemake reads the
files itself before the workflow can. Nothing heavy is imported.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from cmr2ecg.runtime.command import InputError, run

LONGEST_NUMBER = 18  # digits of a whole number: what 64 bits hold
DEEPEST = 100  # maps and lists inside each other; PyYAML crashes at some ten thousand
MOST_VALUES = 100_000  # once aliases are written out; config/paper.yaml has some 500
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TEMPLATE = "__use_yte__"  # with it Snakemake takes a file for a template
INTEGER = "tag:yaml.org,2002:int"


def main(argv: Sequence[str] | None = None) -> None:
    """Check the files that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="config files")
    for path in parser.parse_args(argv).files:
        read_config(path)


def check_named(command_line: Sequence[str]) -> None:
    """End with one line if a config file that is named for Snakemake cannot be used."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", type=Path, nargs="+", action="extend", default=[])
    files = parser.parse_known_args(command_line[1:])[0].configfile
    run(lambda _: main(["--", *map(str, files)]))


def read_config(path: Path | str) -> dict[str, Any]:
    """Return the settings of one file, JSON or YAML, empty or a map.

    Raises:
        InputError: if the file cannot be read or decoded, is no map of settings, or holds a key twice, an alias inside
            what it stands for, aliases that grow without bounds, or a number of more than LONGEST_NUMBER digits. The
            message names file and line.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a config file that can be read") from None
    try:
        settings = _parse(text)
    except _Complaint as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply; a config is a few levels of maps") from None
    if not isinstance(settings, dict | None):
        raise InputError(f"{path}: expected a map of settings, such as `cohort: ukb`")
    if TEMPLATE in (settings or {}):
        raise InputError(f"{path}: {TEMPLATE} would run Python code of the file; a config holds settings alone")
    return settings or {}


class _Complaint(ValueError):
    """What is wrong with a file's text."""


def _parse(text: str) -> Any:
    """Return what the text says as JSON or else as YAML, as Snakemake does."""
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_int=_whole_number)
    except json.JSONDecodeError:
        pass
    try:
        _check_depth(text)
        loader = LOADER(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {}, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or ""):  # PyYAML's own limit, of 6.0.4 and later
            raise RecursionError from None
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise _Complaint(f"{place}{error.problem or error.context}; correct the YAML") from None
    except yaml.YAMLError as error:
        raise _Complaint(f"{' '.join(str(error).split())}; correct the YAML") from None
    except (ValueError, TypeError, OverflowError) as error:  # what a value cannot be turned into, such as a 13th month
        raise error if isinstance(error, _Complaint) else _Complaint(f"{error}; correct the YAML") from None


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise RecursionError


def _check(node: yaml.Node, sizes: dict[int, int], within: set[int]) -> int:
    """Return how many values a node stands for once its aliases are written out.

    sizes: of nodes that were looked at, by identity. within: the nodes around this one.
    """
    line = node.start_mark.line + 1
    if id(node) in within:
        raise _Complaint(f"line {line}: an alias (*) stands inside what it stands for; write the value out")
    if id(node) in sizes:
        return sizes[id(node)]
    if isinstance(node, yaml.ScalarNode):
        if node.tag == INTEGER:
            _check_digits(node.value, f"line {line}: ")
        return 1
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        parts: Iterable[yaml.Node] = [part for pair in node.value for part in pair]
    else:
        parts = node.value
    within.add(id(node))
    size = 1 + sum(_check(part, sizes, within) for part in parts)
    within.remove(id(node))
    if size > MOST_VALUES:
        raise _Complaint(f"line {line}: more than {MOST_VALUES} values once aliases (*) are written out; use fewer")
    sizes[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _Complaint(
                    f"line {line}: the key {key.value} stands twice, first in line {lines[key.value]}; drop one"
                )
            lines[key.value] = line


def _check_digits(text: str, place: str) -> None:
    digits = sum(character.isalnum() for character in text)
    if digits > LONGEST_NUMBER:
        raise _Complaint(f"{place}a number of {digits} digits; expected at most {LONGEST_NUMBER}")


def _whole_number(text: str) -> int:
    _check_digits(text, "")
    return int(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dict if no key stands twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Complaint(f"the key {key} stands twice; drop one")
        found[key] = value
    return found


if __name__ == "__main__":
    run(main)

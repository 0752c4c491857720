"""The settings as config/paper.yaml: every value, with the first sentence of its meaning as a comment."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from cmr2ecg.study.settings.base import Section, Setting
from cmr2ecg.study.settings.study import Settings

WIDTH = 130
COLUMN = 31  # of a comment, where the value leaves room
HEAD = """\
# yaml-language-server: $schema=../workflow/schemas/config.schema.yaml
# Every setting of cmr2ecg at the paper's value. Sections (§) are those of the paper; "authors" marks a value taken from
# the authors' public code where the paper is silent. Overlays (demo.yaml, ukb.yaml) hold differences only. What each
# means at length is in README.md.
"""
SENTENCE_END = re.compile(r"(?<!\bal)(?<!\beq)(?<!\be\.g)(?<!\.)\.\s+")


def paper_yaml(origin: str) -> str:
    """Return every setting with its comment as YAML; origin: a line that says where to edit."""
    return f"{HEAD}# {origin}\n" + "\n".join(_lines(Settings(), "")) + "\n"


def _lines(section: Section, indent: str) -> Iterator[str]:
    for found in section.settings():
        comment = first_sentence(meaning(found))
        if not indent and (isinstance(found.value, Section | dict) or found.key == "cohort"):
            yield ""
        if isinstance(found.value, Section) and not found.value.one_line:
            yield from _commented(f"{indent}{found.key}:", comment, indent)
            yield from _lines(found.value, indent + "  ")
        elif isinstance(found.value, dict) and found.value:
            yield from _commented(f"{indent}{found.key}:", comment, indent)
            for key, value in found.value.items():
                reason = first_sentence(found.entries.get(key, ""))
                yield from _commented(f"{indent}  {key}: {flow(value)}", reason, indent + "  ")
        else:
            yield from _commented(f"{indent}{found.key}: {flow(found.value)}", comment, indent)


def _commented(line: str, comment: str, indent: str) -> Iterator[str]:
    """Yield a line with its comment behind it, or above it where that would be too long."""
    whole = f"{line:<{COLUMN - 2}}  # {comment}" if comment else line
    if len(whole) <= WIDTH:
        yield whole
        return
    yield from textwrap.wrap(comment, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    pairs = textwrap.wrap(line.replace(": ", ":\0"), WIDTH, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    yield from (part.replace(":\0", ": ") for part in pairs)


def meaning(found: Setting) -> str:
    """Return what is said of a setting, or else of its section."""
    if found.text is None and isinstance(found.value, Section):
        return " ".join(paragraphs(found.value))
    return found.text or ""


def paragraphs(section: Section) -> list[str]:
    """Return the paragraphs of a section's docstring, each in one line."""
    return [" ".join(part.split()) for part in inspect.cleandoc(type(section).__doc__ or "").split("\n\n")]


def first_sentence(text: str) -> str:
    """Return a text's first sentence as a comment."""
    return SENTENCE_END.split(text, maxsplit=1)[0].removesuffix(".").replace("`", "")


def flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, Section):
        return flow(value.model_dump())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return yaml.safe_dump(value).removesuffix("...\n").strip()


def _number(value: float) -> str:
    """Return 1.0e-5 for 1e-05: YAML 1.1 wants a point before the e and a sign behind it."""
    if value == 0 or 0.01 <= abs(value) < 1e6:
        return repr(value)
    digits, exponent = f"{value:.14e}".split("e")
    digits = digits.rstrip("0")
    return f"{digits}{'0' * digits.endswith('.')}e{int(exponent):+d}"

"""The settings as the tables of config/README.md: a heading, a text and a table for every section."""

import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from cmr2ecg.study.settings.as_yaml import flow, meaning, paragraphs
from cmr2ecg.study.settings.base import Section, Setting
from cmr2ecg.study.settings.study import Settings

WIDTH = 150
TABLE = "| setting | paper | meaning |\n|---|---|---|\n"


def readme_tables() -> str:
    """Return what README.md says of every setting."""
    whole = list(Settings().settings())
    parts = [_chapter("## The run as a whole", [], "".join(_row(f.key, f) for f in whole if not _is_map(f.value)))]
    for found in whole:
        if isinstance(found.value, Section):
            parts += _chapters(found.key, found.value, "##")
        elif _is_map(found.value):
            parts.append(_chapter(f"## `{found.key}`", [meaning(found)], _possible(found)))
    return "".join(parts)


def _is_map(value: Any) -> bool:
    return isinstance(value, Section | dict)


def _chapter(heading: str, texts: list[str], rows: str) -> str:
    filled = (textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) for text in texts)
    return "\n" + "\n\n".join([heading, *filled, *([TABLE + rows] if rows else [])]).rstrip("\n") + "\n"


def _chapters(place: str, section: Section, heading: str) -> Iterator[str]:
    """Yield the chapter of a section, then those of the sections in it that take more than a line in paper.yaml."""
    yield _chapter(f"{heading} `{place}`", paragraphs(section), "".join(_rows(place, section)))
    for found in section.settings():
        if isinstance(found.value, Section) and not found.value.one_line:
            yield from _chapters(f"{place}.{found.key}", found.value, "###")


def _rows(place: str, section: Section) -> Iterator[str]:
    for found in section.settings():
        key = f"{place}.{found.key}"
        if not _is_map(found.value) or found.value == {}:
            yield _row(key, found)
        elif isinstance(found.value, dict) and found.value:
            yield f"| `{key}` | | {meaning(found)} |\n"
            for name, value in found.value.items():
                yield f"| `{key}.{name}` | `{flow(value)}` | {found.entries.get(name, 'as above')} |\n"
        elif found.value.one_line:
            yield f"| `{key}` | | {meaning(found)} |\n"
            yield from _rows(key, found.value)


def _row(key: str, found: Setting) -> str:
    return f"| `{key}` | `{flow(found.value)}` | {meaning(found)} |\n"


def _possible(found: Setting) -> str:
    """Return rows for what may be in a map that is empty in the paper's settings."""
    kind = _section_in(Settings.model_fields[found.name].annotation)
    rows = ""
    for inner in kind().settings() if kind else ():
        below = _section_in(kind.model_fields[inner.name].annotation) if kind else None
        keys = f": {', '.join(f'`{key}`' for key in [*below.names()])}" if below else ""
        rows += f"| `{found.key}.NAME.{inner.key}` | | {inner.text}{keys} |\n"
    return rows


def _section_in(annotation: Any) -> type[Section] | None:
    """Return the section in a type such as dict[str, Ablation] or MaeChanges | None."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)

"""The paper's settings, for tests and benchmarks that run at the paper's strengths and sizes."""

from typing import Any, TypeVar

import yaml

from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.settings.base import Section
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.settings.validated import validated

S = TypeVar("S", bound=Section)


def paper_settings() -> dict:
    """Return config/paper.yaml."""
    return yaml.safe_load((SOURCE.parent / "config/paper.yaml").read_text())


def paper(**changes: Any) -> Settings:
    """Return all settings; a map in the place of a section holds what is changed there."""
    return changed(Settings(), **changes)


def altered(section: S, **changes: Any) -> S:
    """Return a section with some settings changed, unchecked: smaller than a user may have it."""
    return section.model_copy(update=changes)


def changed(section: S, **changes: Any) -> S:
    """Return a section with some settings changed, and checked as the user's are.

    A map in the place of a section of it holds the changes there.
    """
    whole = section.model_dump()
    for key, value in changes.items():
        inner = getattr(section, key)
        whole[key] = changed(inner, **value).model_dump() if isinstance(inner, Section) else value
    return validated(type(section), whole)

"""Why a subject's file cannot be used."""

from collections.abc import Mapping
from typing import Any


class Rejection(Exception):
    """One subject's file is unusable; the run continues without the subject.

    Args:
        reason: a short fixed phrase, the same for all affected subjects, so that reasons can be counted.
        detail: what was found, for the QC table; never contains an eid.
        measures: what was measured before the rejection, by the QC table's columns.
    """

    def __init__(self, reason: str, detail: str = "", measures: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.measures = reason, detail, dict(measures or {})

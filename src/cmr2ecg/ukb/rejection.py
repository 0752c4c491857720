"""Why a subject's file cannot be used."""


class Rejection(Exception):
    """One subject's file is unusable; the run goes on without the subject.

    Args:
        reason: a short fixed phrase, the same for every subject it hits, so that reasons can be counted.
        detail: what was found, for the QC table; never holds an eid.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail

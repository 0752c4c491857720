"""Internal numbers of subjects and recordings whose ids are any text.

Every table of the study has whole numbers (eid). UK Biobank's own stay as they are, and so does any whole number of
seven digits or more, so that the number of a number is itself; other ids, such as 17 or HR06000, get one from their
SHA-256, the same in every run and whoever else is there. Standard library only, since Snakemake imports this module
while parsing the workflow.
"""

import hashlib

from cmr2ecg.runtime.command import InputError

SHORTEST = 1_000_000  # audit_withdrawn could not tell shorter ones from other numbers in the results
HASHED = 2**52  # numbers from here on are hashes; beyond 2**53 a float would round them


def number_of(text: str) -> int:
    """Return the number of an id; blanks around it do not count.

    Raises:
        ValueError: if it is empty.
    """
    text = text.strip()
    if not text:
        raise ValueError("an empty id")
    if text.isascii() and text.isdigit() and text[0] != "0" and SHORTEST <= int(text[:17]) < 2 * HASHED:
        return int(text)
    return HASHED + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % HASHED


class Numbers:
    """Numbers of ids, as `number_of`, that stop at two ids with one number (at 10^6 ids: once in 10^4 data sets)."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}

    def __call__(self, text: str) -> int:
        """Return the number of an id; raises InputError if another id had it."""
        number = number_of(text)
        if self._ids.setdefault(number, text.strip()) != text.strip():
            raise InputError("two ids have the same internal number; change one of them, say by a letter in front")
        return number

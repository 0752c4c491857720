"""How many tests were skipped, and why, at the end of a run of the tests."""

from collections import Counter
from collections.abc import Iterable


def skip_lines(reasons: Iterable[str]) -> list[str]:
    """Return a line with the number of skipped tests and one for each reason, the most frequent first."""
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    if not counts:
        return []
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{counts.total()} skipped:", *(f"{count:5} {reason}" for reason, count in most)]

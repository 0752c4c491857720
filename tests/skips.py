"""How many tests were skipped, and why, at the end of a run of the tests."""

from collections import Counter
from collections.abc import Iterable


def skip_line(reasons: Iterable[str]) -> str:
    """Return the number of skipped tests and that of each reason, the most frequent first; "" if there were none."""
    counts = Counter(" ".join(reason.removeprefix("Skipped: ").split()) for reason in reasons)
    if not counts:
        return ""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"{counts.total()} skipped: " + "; ".join(f"{count} {reason}" for reason, count in most)

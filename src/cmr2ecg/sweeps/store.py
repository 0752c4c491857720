"""Finished trials as lines of JSON beside a sweep's outputs: what a wider or interrupted sweep need not repeat."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cmr2ecg.runtime.files import atomic


@dataclass(frozen=True)
class Outcome:
    """One trial with one seed: its validation score after each epoch, and its seconds of training over all rounds.

    `whole`: it ended by itself (last epoch, no more patience, or a failure) and would not go on with more epochs.
    `failure`: why a trial has no usable score, else empty.
    """

    trial: str
    seed: int
    scores: list[float | None]
    seconds: float
    whole: bool
    failure: str = ""


class Store:
    """The finished trials of one sweep that have the same cache key: data, weights, code and fixed settings.

    Every job appends to its own file and reads all of them, so jobs may run side by side and be packed anew. A line
    holds scores and names of trials, never a subject.
    """

    def __init__(self, folder: Path, own: str, cache_key: str) -> None:
        self.folder, self.path, self.cache_key = folder, folder / f"{own}.jsonl", cache_key
        self._forget_others()

    def _forget_others(self) -> None:
        """Drop what this job kept under another cache key, and a last line that was cut off."""
        if self.path.exists():
            kept = [row for row in read_lines(self.path) if row.get("cache_key") == self.cache_key]
            write_lines(self.path, kept)

    def read(self) -> dict[tuple[str, int], Outcome]:
        """Return the longest outcome of each (trial, seed)."""
        found: dict[tuple[str, int], Outcome] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for row in read_lines(path):
                if row.pop("cache_key") != self.cache_key:
                    continue
                outcome = Outcome(**row)
                known = found.get((outcome.trial, outcome.seed))
                if known is None or len(outcome.scores) > len(known.scores):
                    found[outcome.trial, outcome.seed] = outcome
        return found

    def add(self, outcome: Outcome) -> None:
        """Keep one outcome at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"cache_key": self.cache_key, **asdict(outcome)}) + "\n")


def read_lines(path: Path) -> Iterable[dict]:
    """Yield the whole lines of a file of JSON; one that a killed job cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and "cache_key" in row:
            yield row


def clean_store(folder: Path, jobs: set[str]) -> None:
    """Remove what a finished sweep no longer needs: resume points, scores of jobs that are no longer planned.

    Finished trials stay, for a wider grid takes them up again, unless no planned job has their cache key.

    folder: sweep/ENCODER/TARGET. jobs: names of the planned jobs, "rung_R_pack_P".
    """
    for path in folder.glob("states/*"):
        path.unlink()
    for path in folder.glob("rung_*/pack_*.json"):
        if f"{path.parent.name}_{path.name.split('.')[0]}" not in jobs:
            path.unlink()
    for path in (*folder.glob("states"), *folder.glob("rung_*")):
        if not any(path.iterdir()):
            path.rmdir()
    kept = {path: list(read_lines(path)) for path in folder.glob("finished/*.jsonl")}
    cache_keys = {row["cache_key"] for path, rows in kept.items() if path.stem in jobs for row in rows}
    for path, rows in kept.items():
        current = [row for row in rows if row["cache_key"] in cache_keys]
        if len(current) < len(rows):
            write_lines(path, current)


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    """Write a file of JSON lines in place of the one that is there."""
    with atomic(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

"""Which shard a subject belongs to: eid modulo `shards` at first; whoever arrives later goes to a further shard.

Otherwise 500 new subjects would fall into all shards, and every ECG and image would be processed anew. When a run
starts, Snakemake writes down who is in which shard; the next run sees who is new. New subjects fill the youngest of the
later shards, then open further ones. In which shard a subject lies changes no number of the study.

Only the standard library is used, since the workflow imports this module while it is read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.files import atomic

LATER_SUBJECTS = 1000  # of a shard that later subjects fill; about those of the paper's 40 shards
HEADER = "eid,shard"
NOTE = "# shards: {}, every subject: {}"


@dataclass(frozen=True)
class Ledger:
    """Who is in which shard.

    shards: the number of first shards. places: eid -> shard. complete: every subject is in it; a synthetic cohort's own
    subjects are not, they lie in eid modulo `shards`.
    """

    shards: int
    places: Mapping[int, int]
    complete: bool = True

    def numbers(self) -> list[int]:
        """Return the numbers of all shards."""
        return sorted({*range(self.shards), *self.places.values()})

    def place(self, eid: int, withdrawn: Iterable[int] = ()) -> int | None:
        """Return a subject's shard; None if it arrived after the run had started, so that the next run takes it.

        Withdrawn subjects are in no ledger; those of the first shards are counted there as before.
        """
        if eid in self.places:
            return self.places[eid]
        return None if self.complete and eid not in withdrawn else eid % self.shards

    def with_arrivals(self, eids: Iterable[int]) -> "Ledger":
        """Return the ledger with these subjects too; those it has stay where they are."""
        new, sizes = sorted({*eids} - self.places.keys()), Counter(self.places.values())
        number = max([self.shards - 1, *sizes])
        places = dict(self.places)
        for eid in new:
            if number < self.shards or sizes[number] >= LATER_SUBJECTS:
                number += 1
            places[eid] = number
            sizes[number] += 1
        return Ledger(self.shards, places, self.complete)

    def without(self, eids: Iterable[int]) -> "Ledger":
        """Return the ledger without some subjects: one that has withdrawn must be in no file."""
        gone = set(eids)
        return Ledger(self.shards, {eid: n for eid, n in self.places.items() if eid not in gone}, self.complete)


def first_ledger(eids: Iterable[int], shards: int, *, complete: bool = True) -> Ledger:
    """Return the ledger of a cohort's first run."""
    return Ledger(shards, {eid: eid % shards for eid in eids} if complete else {}, complete)


def read_ledger(path: Path | str, shards: int) -> Ledger | None:
    """Return the ledger of a file, or None if there is none that can be used.

    One of another number of first shards is none: then all subjects are placed anew. So is one that was cut off or
    edited, for a subject in no shard would be lost without a word.
    """
    try:
        note, header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
        complete = {NOTE.format(shards, "yes"): True, NOTE.format(shards, "no"): False}[note]
        pairs = [line.split(",") for line in lines]
        places = {int(eid): int(shard) for eid, shard in pairs}
    except (OSError, ValueError, KeyError):
        return None
    sound = header == HEADER and len(places) == len(lines) and all(shard >= 0 for shard in places.values())
    return Ledger(shards, places, complete) if sound else None


def write_ledger(path: Path | str, ledger: Ledger) -> None:
    """Write a ledger; it holds participants' ids and stays below results/."""
    note = NOTE.format(ledger.shards, "yes" if ledger.complete else "no")
    lines = [f"{eid},{shard}" for eid, shard in sorted(ledger.places.items())]
    with atomic(path) as partial:
        partial.write_text("\n".join([note, HEADER, *lines]) + "\n", encoding="utf-8")

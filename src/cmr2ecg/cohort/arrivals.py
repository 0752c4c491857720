"""Which shard a subject belongs to: eid modulo `shards` at first; whoever arrives later goes to a further shard.

Otherwise 500 new subjects would fall into all shards, and every ECG and image would be processed anew. When a run
starts, Snakemake writes down who is in which shard; the next run sees who is new. New subjects fill the youngest of the
later shards, then open further ones. In which shard a subject lies changes no number of the study.

Only the standard library is used, since the workflow imports this module while it is read.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic

LATER_SUBJECTS = 1000  # of a shard that later subjects fill; about those of the paper's 40 shards
MAX_LOST_SHARE = 0.1  # of the known subjects may lose their files of a kind without a question
HEADER = "eid,shard,files"
NOTE = "# shards: {}, every subject: {}"


@dataclass(frozen=True)
class Ledger:
    """Who is in which shard.

    shards: the number of first shards. places: eid -> shard. complete: every subject is in it; a synthetic cohort's own
    subjects are not, they lie in eid modulo `shards`. files: eid -> kinds of raw files that were there, such as
    "ecg cmr".
    """

    shards: int
    places: Mapping[int, int]
    complete: bool = True
    files: Mapping[int, str] = field(default_factory=dict)

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
        return replace(self, places=places)

    def with_files(self, kinds: Mapping[str, Iterable[int]]) -> "Ledger":
        """Return the ledger with the kinds of raw files that its subjects have now; kinds: kind -> eids."""
        files: dict[int, str] = {}
        for kind, eids in kinds.items():
            for eid in self.places.keys() & set(eids):
                files[eid] = f"{files[eid]} {kind}" if eid in files else kind
        return replace(self, files=files)

    def without(self, eids: Iterable[int]) -> "Ledger":
        """Return the ledger without some subjects: one that has withdrawn must be in no file."""
        gone = set(eids)
        places = {eid: place for eid, place in self.places.items() if eid not in gone}
        return replace(self, places=places, files={eid: kinds for eid, kinds in self.files.items() if eid not in gone})

    def in_shard(self, shard: int) -> "Ledger":
        """Return the ledger of the subjects of one shard."""
        return self.without(eid for eid, place in self.places.items() if place != shard)


def check_files_remain(known: Ledger, kind: str, found: Container[int], advice: str) -> None:
    """Stop if many of the known subjects had raw files of a kind and have none any more, as on a disk that is missing.

    found: the eids that have some now. advice: what else to do about it.

    Raises:
        InputError: names raw.ecg or raw.cmr, with counts; nothing has been changed by then.
    """
    had = [eid for eid, kinds in known.files.items() if kind in kinds.split()]
    gone = sum(eid not in found for eid in had)
    if many_lost(gone, len(had)):
        raise InputError(
            f"raw.{kind}: {gone:,} of {len(had):,} known subjects have no file there any more; is a disk not "
            f"mounted, or the path another? {advice}"
        )


def many_lost(gone: int, of: int) -> bool:
    """Say whether so many of the known subjects lost their files that the folder itself must be wrong."""
    return gone > 1 and gone > MAX_LOST_SHARE * of


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
        rows = [line.split(",") for line in lines]
        places = {int(row[0]): int(row[1]) for row in rows}
        files = {int(row[0]): row[2] for row in rows if row[2:] and row[2]}
    except (OSError, ValueError, KeyError, IndexError):
        return None
    known = header in (HEADER, "eid,shard")  # the second without kinds of files
    sound = known and len(places) == len(lines) and all(shard >= 0 for shard in places.values())
    return Ledger(shards, places, complete, files) if sound else None


def write_ledger(path: Path | str, ledger: Ledger) -> None:
    """Write a ledger; it holds participants' ids and stays below results/."""
    note = NOTE.format(ledger.shards, "yes" if ledger.complete else "no")
    lines = [f"{eid},{shard},{ledger.files.get(eid, '')}" for eid, shard in sorted(ledger.places.items())]
    with atomic(path) as partial:
        partial.write_text("\n".join([note, HEADER, *lines]) + "\n", encoding="utf-8")

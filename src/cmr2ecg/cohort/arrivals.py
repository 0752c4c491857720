"""Assign subjects to shards: eid modulo `shards` at first; later subjects go to additional shards.

Otherwise 500 new subjects would spread over all shards, and every ECG and image would be processed again. At the start
of a run Snakemake records the shard of each subject; the next run sees who is new. New subjects fill the latest
additional shard, then open further ones. Sharding affects no number of the study.

Only the standard library is used, since Snakemake imports this module while parsing the workflow.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic

LATER_SUBJECTS = 1000  # per additional shard; about the size of the paper's 40 shards
MAX_LOST_SHARE = 0.1  # of the known subjects may lose their files of a kind without an error
HEADER = "eid,shard,files"
NOTE = "# shards: {}, every subject: {}"


@dataclass(frozen=True)
class Ledger:
    """The shard of each subject.

    shards: the number of first shards. places: eid -> shard. complete: every subject is in it; a synthetic cohort's
    subjects are not, their shard is eid modulo `shards`. files: eid -> kinds of raw files last seen, such as
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

        Withdrawn subjects are in no ledger; those of the first shards are still counted there.
        """
        if eid in self.places:
            return self.places[eid]
        return None if self.complete and eid not in withdrawn else eid % self.shards

    def with_arrivals(self, eids: Iterable[int]) -> "Ledger":
        """Return the ledger with these subjects added; known ones keep their shard."""
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
        """Return the ledger without some subjects: a withdrawn one must be in no file."""
        gone = set(eids)
        places = {eid: place for eid, place in self.places.items() if eid not in gone}
        return replace(self, places=places, files={eid: kinds for eid, kinds in self.files.items() if eid not in gone})

    def in_shard(self, shard: int) -> "Ledger":
        """Return the ledger of the subjects of one shard."""
        return self.without(eid for eid, place in self.places.items() if place != shard)


def check_files_remain(known: Ledger, kind: str, found: Container[int], advice: str) -> None:
    """Raise if many of the known subjects have lost their raw files of a kind, as when a disk is not mounted.

    found: the eids that have some now. advice: alternative remedy for the message.

    Raises:
        InputError: names raw.ecg, raw.unlabelled or raw.cmr, with counts; nothing has been changed by then.
    """
    had = [eid for eid, kinds in known.files.items() if kind in kinds.split()]
    gone = sum(eid not in found for eid in had)
    if many_lost(gone, len(had)):
        raise InputError(
            f"raw.{kind}: {gone:,} of {len(had):,} known subjects no longer have a file there; mount the disk "
            f"or correct the path. {advice}"
        )


def many_lost(gone: int, of: int) -> bool:
    """Return whether so many of the known subjects lost their files that the folder itself must be wrong."""
    return gone > 1 and gone > MAX_LOST_SHARE * of


def first_ledger(eids: Iterable[int], shards: int, *, complete: bool = True) -> Ledger:
    """Return the ledger of a cohort's first run."""
    return Ledger(shards, {eid: eid % shards for eid in eids} if complete else {}, complete)


def read_ledger(path: Path | str, shards: int) -> Ledger | None:
    """Return the ledger of a file, or None if there is none that can be used.

    One for another number of first shards cannot: then all subjects are reassigned. Nor can one that was truncated or
    edited, since a subject in no shard would be lost silently.
    """
    try:
        note, header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
        complete = {NOTE.format(shards, "yes"): True, NOTE.format(shards, "no"): False}[note]
        rows = [line.split(",") for line in lines]
        places = {int(row[0]): int(row[1]) for row in rows}
        files = {int(row[0]): row[2] for row in rows if row[2:] and row[2]}
    except (OSError, ValueError, KeyError, IndexError):
        return None
    known = header in (HEADER, "eid,shard")  # the second has no kinds of files
    sound = known and len(places) == len(lines) and all(shard >= 0 for shard in places.values())
    return Ledger(shards, places, complete, files) if sound else None


def write_ledger(path: Path | str, ledger: Ledger) -> None:
    """Write a ledger; it contains participants' ids and stays below results/."""
    note = NOTE.format(ledger.shards, "yes" if ledger.complete else "no")
    lines = [f"{eid},{shard},{ledger.files.get(eid, '')}" for eid, shard in sorted(ledger.places.items())]
    with atomic(path) as partial:
        partial.write_text("\n".join([note, HEADER, *lines]) + "\n", encoding="utf-8")

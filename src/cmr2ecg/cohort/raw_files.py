"""The raw files of a study by shard, as seen by Snakemake at the start of a run, and digests that detect changes.

Nothing heavy is imported: Snakemake reads this at each start.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path

from cmr2ecg.cohort.arrivals import Ledger, check_files_remain, first_ledger, read_ledger
from cmr2ecg.raw.bulk import CMR_FIELD, ECG_FIELD, list_files
from cmr2ecg.raw.data_set import DataSet, eids_on, read_data_set, read_written
from cmr2ecg.raw.listed import Listed
from cmr2ecg.raw.record_table import read_record_table
from cmr2ecg.raw.segmentation import list_segmentations, stamp_of_folder
from cmr2ecg.raw.stamp import stamp_of_file, stamp_of_table
from cmr2ecg.raw.unlabelled import SETTING, as_csv, check_alone, read_unlabelled
from cmr2ecg.raw.withdrawn import list_notes, read_list, read_withdrawn
from cmr2ecg.study.files import UNPAIRED
from cmr2ecg.study.settings.run import Raw
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.targets import PRETRAIN

LOST = "Nothing was changed; to leave them out, set accept_lost_files: true for one run."
Visit = tuple[int, int | None]  # eid, instance; None: any


class RawFiles:
    """The raw files of each subject, by shard.

    Args:
        settings: of the study.
        results: results/COHORT.
        main: whether this is the process that the user started. A job on a node uses the ledger and the recordings
            written at the start of the run, so that all jobs agree.

    Raises:
        InputError: if a withdrawal list or a list of excluded subjects cannot be read.
    """

    def __init__(self, settings: Settings, results: str, main: bool) -> None:
        self.settings, self.results, self.main = settings, results, main
        self.simulated = settings.simulate_cohort.enabled
        # Who is in which shard, the recordings of a data set and those withdrawn from it, the ECGs of raw.unlabelled,
        # and where index_shard looks for raw files; written when a run starts.
        self.ledger_file, self.recordings_file, self.withdrawn_file, self.unlabelled_file, self.options_file = (
            f"{results}/index_shard/{name}"
            for name in ("shards.csv", "recordings.csv", "withdrawn.csv", "unlabelled.csv", "raw.txt")
        )
        self.places = simulated_places(results, settings.raw) if self.simulated else _lists(settings.raw)
        self.data_set: DataSet | None = None
        self.left_out: dict[str, frozenset[int]] = {}  # eids on the lists of a data set, which may name any ids
        if settings.recordings.table:
            left_out = {kind: self.places[kind] for kind in ("withdrawn", "excluded")}
            written = None if main else read_written(self.recordings_file, settings.recordings.labels.classes)
            self.data_set = written or read_data_set(
                self.places["ecg"],
                settings.recordings,
                left_out,
                settings.index_cohort.unpaired_ecgs,
                {eid for eid, _ in self._further},
            )
            self.left_out = {kind: eids_on(files) for kind, files in left_out.items()}
            self.places |= {kind: [self.recordings_file] for kind in ("ecg", "tabular")}
            self.places |= {kind: [] for kind in left_out}
        self.with_cmr = "cmr" in settings.index_cohort.modalities
        # For a synthetic cohort index_shard reads the withdrawals, since the list does not exist yet.
        self.withdrawn = [] if self.simulated else [read_list(path) for path in self.places["withdrawn"]]
        self.excluded = read_withdrawn(self.places["excluded"], "raw.excluded")

    @cached_property
    def unlabelled(self) -> dict[tuple[int, int], Listed]:
        """The ECGs of raw.unlabelled, less those on a list and the cohort's own: the run writes a table of the rest."""
        if not self.main and os.path.exists(self.unlabelled_file) and self.settings.raw.unlabelled:
            return read_record_table(self.unlabelled_file, SETTING)
        out = self.gone | self.left_out.get("excluded", frozenset())
        return {
            visit: file
            for visit, file in self._further.items()
            if visit[0] not in out and visit not in self._own_further
        }

    @cached_property
    def _own_further(self) -> set[tuple[int, int]]:
        """Those of raw.unlabelled that are files of raw.ecg."""
        own = {os.path.abspath(file.path) for file in self._found["ecg"].values()} if self._further else set()
        return {visit for visit, file in self._further.items() if file.path in own}

    @cached_property
    def _further(self) -> dict[tuple[int, int], Listed]:
        """All ECGs of raw.unlabelled."""
        return read_unlabelled(self.settings.raw.unlabelled, self.settings.index_cohort.instances[0])

    @cached_property
    def listed(self) -> dict[str, dict[Visit, Listed]]:
        """{kind: {(eid, instance): raw file}} beyond those of simulate_cohort; kinds: ecg, cmr, segmentations.

        Raises:
            InputError: if a folder cannot be listed, or an ECG for pre-trainings alone cannot be (`check_alone`).
        """
        found = {kind: dict(files) for kind, files in self._found.items()}
        for visit, file in self.unlabelled.items():
            found["ecg"].setdefault(visit, file)
        given = self.settings.split_subjects.method == "given"
        check_alone(found["ecg"], self.settings.index_cohort.unpaired_ecgs, given)
        return found

    @cached_property
    def _found(self) -> dict[str, dict[Visit, Listed]]:
        found: dict[str, dict[Visit, Listed]] = {"ecg": {}, "cmr": {}, "segmentations": {}}
        if self.data_set:
            instance = self.settings.index_cohort.instances[0]
            return found | {"ecg": {(one.eid, instance): one.listed for one in self.data_set.recordings}}
        names = Path(self.results, "simulate_cohort/files.txt")
        if self.simulated and not names.exists():
            return found
        written = set(names.read_text().split()) if self.simulated else set()
        for kind, field in (("ecg", ECG_FIELD), ("cmr", CMR_FIELD))[: 1 + self.with_cmr]:
            found[kind] |= {
                visit: file
                for visit, file in list_files(self.places[kind], field).items()
                if f"{kind}/{os.path.basename(file.path)}" not in written
            }
        segmented = list_segmentations(self.places["segmentations"])
        found["segmentations"] = {visit: Listed(folder) for visit, folder in segmented.items()}
        return found

    @cached_property
    def gone(self) -> frozenset[int]:
        """The withdrawn eids."""
        of_set = self.data_set.withdrawn if self.data_set else ()
        lists = (listed.eids for listed in self.withdrawn)
        return self.left_out.get("withdrawn", frozenset()).union(of_set, *lists)

    @cached_property
    def ledger(self) -> Ledger:
        """The shard of each subject: as recorded by an earlier run, plus new subjects (cohort/arrivals.py).

        Until a first index is finished no subject is late: a first try with a wrong folder must not send all to
        additional shards.
        """
        known = read_ledger(self.ledger_file, self.settings.shards)
        if known is not None and not self.main:
            return known
        kinds = {kind: {eid for eid, _ in files if eid not in self.gone} for kind, files in self.listed.items()}
        further = {eid for eid, _ in self.unlabelled}
        kinds |= {"ecg": kinds["ecg"] - further, "unlabelled": kinds["ecg"] & further}
        eids = set().union(*kinds.values())
        if known is None or not os.path.exists(f"{self.results}/index_cohort/visits.parquet"):
            return first_ledger(eids, self.settings.shards, complete=not self.simulated).with_files(kinds)
        known = known.without(self.gone)
        for kind in () if self.simulated or self.settings.accept_lost_files else kinds:
            if self.places.get(kind):
                check_files_remain(known, kind, kinds[kind], LOST)
        return known.with_arrivals(eids).with_files(kinds)

    @cached_property
    def by_shard(self) -> dict[str, dict[int, dict[Visit, Listed]]]:
        """{kind: {shard: its raw files}}; one without a path is only counted, and says why."""
        return {kind: self._sorted(files) for kind, files in self.listed.items()}

    def _sorted(self, files: Mapping[Visit, Listed]) -> dict[int, dict[Visit, Listed]]:
        shards: dict[int, dict[Visit, Listed]] = {shard: {} for shard in self.ledger.numbers()}
        for (eid, instance), file in files.items():
            shard = self.ledger.place(eid, self.gone)
            if shard is not None:
                counted = "withdrawn" if eid in self.gone else "excluded"
                left_out = eid in self.gone or eid in self.excluded
                shards[shard][eid, instance] = Listed("", counted) if left_out else file
        return shards

    def subjects_expected(self, unpaired: bool = False) -> float:
        """Return the maximum number of subjects with raw files; 0 in a job on a node, which has its share already.

        unpaired: include those with an ECG only.
        """
        simulated = self.settings.simulate_cohort
        if self.simulated:
            return simulated.subjects + unpaired * simulated.ecg_only
        if not self.main:
            return 0
        ecg, cmr = (sum(map(len, self.by_shard[kind].values())) for kind in ("ecg", "cmr"))
        if self.settings.index_cohort.unpaired_ecgs:
            alone = sum(file.split == PRETRAIN for file in self.listed["ecg"].values())
            return ecg if unpaired else min(ecg, cmr) if self.with_cmr else ecg - alone
        return (ecg + cmr) / (1 + self.with_cmr)

    def notes(self) -> list[str]:
        """Return a warning for each withdrawal list with nobody of the cohort or with text around its eids.

        Of a data set, how many recordings were left out and why.
        """
        own = len(self._own_further)
        notes = [f"{SETTING}: {own:,} of its files are raw.ecg's, and taken there"] * bool(own)
        if self.data_set:
            return [*self.data_set.notes, *notes]
        if not self.withdrawn:
            return notes
        there = {eid for files in self.listed.values() for eid, _ in files}
        return [*list_notes(self.withdrawn, there | {eid for eid, _ in self._further}), *notes]

    def options(self) -> str:
        """Return options of index_shard, and the paths of other steps' tables, one per line."""
        tables = () if self.simulated else ("tabular", "boxes")
        kinds = ("ecg", "cmr", "segmentations", "withdrawn", "excluded", *tables)
        places = self.places | {"ecg": [*self.places["ecg"], *[self.unlabelled_file] * bool(self.unlabelled)]}
        return "".join(f"{line}\n" for kind in kinds for line in (f"--{kind}", *places[kind]))

    def tables(self) -> dict[str, str]:
        """Return {file: content} of what jobs read of a data set and of raw.unlabelled; nothing without them.

        Whom internal numbers stand for and what is known of them; and the numbers of recordings that were withdrawn,
        which audit_withdrawn looks for.
        """
        unlabelled = {self.unlabelled_file: as_csv(self.unlabelled)} if self.settings.raw.unlabelled else {}
        if not self.data_set:
            return unlabelled
        instance, classes = self.settings.index_cohort.instances[0], self.settings.recordings.labels.classes
        gone = {*self.data_set.withdrawn, *({eid for eid, _ in self._further} & self.gone)}
        withdrawn = "".join(f"{eid}\n" for eid in sorted(gone))
        return {
            **unlabelled,
            self.recordings_file: self.data_set.as_csv(classes, instance),
            self.withdrawn_file: f"eid\n{withdrawn}",
        }

    def names_digest(self, shard: str) -> str:
        """Return a digest of the raw files of one shard's subjects, for the index.

        As a parameter of a shard's rule it makes new files rerun only their shards.
        """
        return digest(
            " ".join([kind, str(eid), str(instance), os.path.basename(file.path), *_origin(file)])
            if file.path
            else f"{kind} {file.stamp}"
            for kind, shards in self.by_shard.items()
            for (eid, instance), file in shards[int(shard)].items()
        )

    def ecg_digest(self, shard: str) -> str:
        """Return a digest of names, sizes and times of one shard's ECG files (raw/stamp.py)."""
        return digest(self._stamps("ecg", shard, lambda file: stamp_of_file(file.path, file.stamp)))

    def cmr_digest(self, shard: str) -> str:
        """Return a digest of names, sizes and times of one shard's CMR files and segmentations."""
        segmented = self._stamps("segmentations", shard, lambda file: stamp_of_folder(file.path))
        return digest([*self._stamps("cmr", shard, lambda file: stamp_of_file(file.path, file.stamp)), *segmented])

    def tables_digest(self, kind: str) -> str:
        """Return a digest of some tables, in order; for a synthetic cohort they are inputs."""
        if self.data_set and kind == "tabular":
            return digest(f"{one.eid} {sorted(one.known.items())}" for one in self.data_set.recordings)
        tables = () if self.simulated else self.places[kind]
        stamps = [f"{place} {stamp_of_table(path)}" for place, path in enumerate(tables)]
        return "" if self.simulated else digest(stamps)

    def _stamps(self, kind: str, shard: str, stamp: Callable[[Listed], str]) -> list[str]:
        files = self.by_shard[kind][int(shard.removesuffix(UNPAIRED))].items()
        return [f"{eid} {instance} {stamp(file)}" for (eid, instance), file in files if file]


def _origin(file: Listed) -> list[str]:
    """Return the subject and the split that a list gives, if it does."""
    return [str(file.subject), file.split] if file.subject or file.split else []


def _lists(raw: Raw) -> dict[str, list[str]]:
    return {kind: [*paths] for kind, paths in raw}


def simulated_places(results: str, raw: Raw) -> dict[str, list[str]]:
    """Return where simulate_cohort writes what the section `raw` names of a download."""
    folder = f"{results}/simulate_cohort"
    return {
        "ecg": [f"{folder}/raw/ecg"],
        "cmr": [f"{folder}/raw/cmr"],
        "tabular": [f"{folder}/tabular.csv"],
        "withdrawn": [f"{folder}/withdrawn.csv"],
        "excluded": [*raw.excluded],
        "segmentations": [],
        "boxes": [],
    }


def digest(lines: Iterable[str]) -> str:
    """Return a short digest of lines in any order."""
    whole = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(whole).hexdigest()[:16]

"""The recordings of a data set as it was downloaded: a table, or the headers of WFDB records, and what they say.

What differs between data sets is declared in the config's section `recordings`. Only the standard library is used,
since Snakemake imports this module while parsing the workflow.
"""

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from cmr2ecg.raw.data_set_labels import labels_of
from cmr2ecg.raw.data_set_table import PLACE, SETTING, Row, cell, read_lines, read_rows
from cmr2ecg.raw.ids import Numbers
from cmr2ecg.raw.listed import Listed, file_of
from cmr2ecg.raw.walk import shown
from cmr2ecg.raw.withdrawn import read_list
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.data_set import ABOUT, NUMBERS, Recordings
from cmr2ecg.study.targets import PRETRAIN, SPLITS

KNOWN = ("sex", *NUMBERS)
LISTED = "on a list of raw.{}"  # why a recording is left out


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: its file, ids as text, split ("" if the data set gives none), and what is known of it.

    split is PRETRAIN for what only pre-trainings see.

    known: sex (Female or Male), age, weight, height and 0 or 1 for every class; "" where not known.
    """

    eid: int
    path: str
    subject: int
    split: str
    recording: str
    subject_id: str
    known: Row

    @property
    def listed(self) -> Listed:
        """The file as other listings have it."""
        return Listed(self.path, "", self.subject, self.split)


@dataclass(frozen=True)
class DataSet:
    """The recordings in order of eid.

    notes: what was left out, counted, for the user. withdrawn: numbers of recordings of those who withdrew.
    """

    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]
    withdrawn: tuple[int, ...] = ()

    def as_csv(self, classes: Collection[str], instance: int) -> str:
        """Return the table that all jobs read: ABOUT and a column a class.

        Args:
            classes: of the labels.
            instance: the visit as which every recording is indexed.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*ABOUT, *classes])
        for one in self.recordings:
            ids = one.eid, instance, one.path, one.subject, one.split, one.recording, one.subject_id
            writer.writerow([*ids, *(one.known[name] for name in (*KNOWN, *classes))])
        return text.getvalue()


def read_data_set(
    folders: Sequence[str],
    settings: Recordings,
    left_out: Mapping[str, Sequence[str]],
    unlabelled: bool = False,
    others: Collection[int] = (),
) -> DataSet:
    """Return the recordings of a data set whose file is there.

    Args:
        folders: of the data set; several are read one after the other.
        settings: what its columns are called, and what their cells mean.
        left_out: {withdrawn or excluded: files with a subject's id a line, or a recording's where no column names
            the subject; of those excluded also a recording's eid}.
        unlabelled: give recordings without a label to the pre-trainings: of a training fold, or, where the split is to
            be drawn, of subjects without any label.
        others: eids beyond the data set that the lists may name.

    Raises:
        InputError: if a column is missing, an id occurs twice, nothing is left, or a cell is not what was declared;
            names the setting, not the cell.
    """
    listed = {kind: frozenset().union(*map(read_ids, files)) for kind, files in left_out.items()}
    numbers, subjects, counts = Numbers(), Numbers(), Counter[str]()
    found: dict[int, Recording] = {}
    withdrawn: list[int] = []
    known = {kind: set(map(str, others)) for kind in listed}
    for folder in folders:
        for row in read_rows(folder, settings):
            counts["rows"] += 1
            one = _recording(row, folder, settings, numbers, subjects)
            for kind, names in known.items():
                names |= names_of(one, kind)
            reason = _why_not(one, settings, listed)
            withdrawn += [one.eid] * (reason == LISTED.format("withdrawn"))
            if reason:
                counts[reason] += 1
            elif one.eid in found:
                raise InputError(f"{SETTING}.recording: two rows have the same id; name a column that tells them apart")
            else:
                found[one.eid] = one
    rows = counts.pop("rows", 0)
    notes = [f"{count:,} of {rows:,} rows were left out: {why}" for why, count in counts.items()]
    if not found:
        raise InputError(f"raw.ecg: no recording is left of {rows:,} rows; {'; '.join(notes) or 'none there'}")
    for kind, ids in listed.items():
        strange = len(ids - known[kind])
        if strange:
            notes.append(f"raw.{kind}: {strange:,} of {len(ids):,} entries are nobody's id in the data set")
    if unlabelled:
        found = _for_pretraining(found, settings)
    notes = _checked(found.values(), settings, notes)
    return DataSet(tuple(found[eid] for eid in sorted(found)), tuple(notes), tuple(sorted(withdrawn)))


def read_written(file: str, classes: Collection[str]) -> DataSet | None:
    """Return the recordings of the table that a run wrote at its start (`as_csv`), None if there is none."""
    columns = [*ABOUT, *classes]
    try:
        rows = [dict(zip(columns, cells, strict=True)) for _, cells in read_lines(file)]
    except (InputError, ValueError):
        return None
    if not rows or [*rows[0].values()] != columns:
        return None
    return DataSet(tuple(_written(row, classes) for row in rows[1:]), ())


def _written(row: Row, classes: Collection[str]) -> Recording:
    known = {name: row[name] for name in (*KNOWN, *classes)}
    ids = {name: row[name] for name in ("path", "split", "recording", "subject_id")}
    return Recording(eid=int(row["eid"]), subject=int(row["subject"]), known=known, **ids)


def read_ids(file: str) -> frozenset[str]:
    """Return the ids in a list, the first cell of every line."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            return frozenset(cell(row[0]) for row in csv.reader(handle) if row and cell(row[0]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"raw: {shown(file)} cannot be read as a list of ids ({type(error).__name__})") from None


def eids_on(files: Sequence[str]) -> frozenset[int]:
    """Return the whole numbers on lists that may also name other ids, in any form of a withdrawal list."""
    found: set[int] = set()
    for file in files:
        found |= {int(name) for name in read_ids(file) if name.isdecimal()}
        with suppress(InputError):  # a list of other ids
            found |= read_list(file).eids
    return frozenset(found)


def _recording(row: Row, folder: str, settings: Recordings, numbers: Numbers, subjects: Numbers) -> Recording:
    file = PLACE.sub(lambda place: row[place[1]].strip(), settings.file) if settings.file else row["file"]
    if not file or os.path.isabs(file) or ".." in file.split("/"):
        raise InputError(f"{SETTING}.file: a row has no file in the folder; check the template {settings.file!r}")
    recording = cell(row[settings.recording]) if settings.recording else file
    subject = cell(row[settings.subject]) if settings.subject else recording
    if not recording or not subject:
        raise InputError(f"{SETTING}: a row has no id of its {'subject' if recording else 'recording'}")
    split = _fold(cell(row[settings.split.column]), settings) if settings.split.column else ""
    known = dict.fromkeys(KNOWN, "")
    known |= {name: _number(row[getattr(settings, name)]) for name in NUMBERS if getattr(settings, name)}
    if settings.sex.column:
        known["sex"] = _sex(cell(row[settings.sex.column]), settings)
    known |= labels_of(row, settings.labels)
    path = os.path.join(os.path.abspath(folder), file)
    eid = numbers(recording)
    return Recording(eid, path, subjects(subject) if settings.subject else eid, split, recording, subject, known)


def _number(text: str) -> str:
    """Return a cell with a number, "" for anything else, such as 60Y."""
    text = cell(text)
    try:
        return text if math.isfinite(float(text)) else ""
    except ValueError:
        return ""


def _sex(text: str, settings: Recordings) -> str:
    return "Female" if text in settings.sex.female else "Male" if text in settings.sex.male else ""


def _fold(text: str, settings: Recordings) -> str:
    return next((name for name in (*SPLITS, PRETRAIN) if text in getattr(settings.split, name)), "")


def _labelled(one: Recording, settings: Recordings) -> bool:
    return all(one.known[name] for name in settings.labels.classes)


def _for_pretraining(found: Mapping[int, Recording], settings: Recordings) -> dict[int, Recording]:
    """Return the recordings with the split PRETRAIN for those without a label that nobody is tested on.

    Where the split is still to be drawn, a subject with a labelled recording may come into the test split.
    """
    drawn = {one.subject for one in found.values() if _labelled(one, settings)}
    given = bool(settings.split.column)
    return {
        eid: replace(one, split=PRETRAIN)
        if not _labelled(one, settings) and (one.split == "train" if given else one.subject not in drawn)
        else one
        for eid, one in found.items()
    }


def names_of(one: Recording, kind: str) -> set[str]:
    """Return what a list may call a recording by: its subject, and on a list of those excluded also its eid."""
    return {one.subject_id, str(one.eid)} if kind == "excluded" else {one.subject_id}


def _why_not(one: Recording, settings: Recordings, listed: Mapping[str, frozenset[str]]) -> str:
    """Return why a recording is left out, "" if it is not."""
    for kind, ids in listed.items():
        if not names_of(one, kind).isdisjoint(ids):
            return LISTED.format(kind)
    if not os.path.exists(file_of(one.path)):
        return "no such file in the folder"
    if settings.split.column and not one.split:
        return "in no fold of recordings.split"
    return ""


def _checked(found: Collection[Recording], settings: Recordings, notes: list[str]) -> list[str]:
    """Return the notes with counts of what is not known or could not be understood.

    Raises:
        InputError: if no recording has a known sex.
    """
    count = len(found)
    for name in [*(["sex"] if settings.sex.column else []), *(name for name in NUMBERS if getattr(settings, name))]:
        unknown = sum(not one.known[name] for one in found)
        if unknown == count and name == "sex":
            raise InputError(
                f"{SETTING}.sex: no cell of the column {settings.sex.column} is one of female "
                f"{list(settings.sex.female)} or male {list(settings.sex.male)}"
            )
        if unknown:
            notes.append(f"{unknown:,} of {count:,} recordings have no known {name}")
    alone = sum(one.split == PRETRAIN for one in found)
    if alone:
        notes.append(f"{alone:,} of {count:,} recordings are for pre-trainings alone")
    labelled = [one for one in found if one.split != PRETRAIN and _labelled(one, settings)]
    unlabelled = count - alone - len(labelled)
    if unlabelled:
        notes.append(f"{unlabelled:,} of {count:,} recordings have no label and are left out")
    for name in settings.labels.classes:
        if len({one.known[name] for one in labelled}) < 2:
            notes.append(f"every labelled recording has the same value of {name}; it cannot be learnt")
    return notes

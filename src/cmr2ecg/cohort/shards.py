"""Process one shard of subjects: an HDF5 row for each that passes, a QC row for every one.

Rows are written one by one, so that memory does not grow with the number of subjects.
"""

import csv
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import pandas as pd

from cmr2ecg.cohort.visits import located
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.files import atomic
from cmr2ecg.runtime.progress import Progress

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Work = Callable[[Item], tuple[Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True)
class Field:
    """Shape and type of one subject's entry in an HDF5 dataset."""

    shape: tuple[int, ...]
    dtype: str


def paths_of(visits: Path, column: str, raw: Path | None = None) -> list[tuple[int, str]]:
    """Return eid and path of every subject of a shard, in order of eid; raw: see `located`."""
    table = pd.read_parquet(visits).sort_values("eid")
    return list(zip(table["eid"].tolist(), located(table, column, raw), strict=True))


def process_shard(
    subjects: Sequence[tuple[int, Item]],
    work: Work[Item],
    *,
    fields: Mapping[str, Field],
    attributes: Mapping[str, Any],
    measures: Sequence[str],
    output: Path,
    qc: Path,
) -> Counter:
    """Run `work` on every subject; write accepted rows to `output` and the status of each to `qc`.

    Args:
        subjects: eid and the argument of `work` for the subject, such as a path; never the eid itself.
        work: item -> (row, measures); raises Rejection for a file that cannot be used.
        fields: the row's entries, by the name of their HDF5 dataset; `eid` is added.
        attributes: HDF5 attributes of the file.
        measures: the QC table's columns in addition to eid, status (accepted or rejected), reason and detail.
        output: HDF5 file.
        qc: csv file.

    Returns:
        The number of subjects by reason; "" counts those accepted.
    """
    reasons: Counter = Counter()
    columns = ["eid", "status", "reason", "detail", *measures]
    with (
        atomic(qc) as qc_path,
        atomic(output) as data_path,
        open(qc_path, "w", newline="") as qc_file,
        # No cache: on a full disk HDF5 crashes the process when it cannot write its cached chunks.
        h5py.File(data_path, "w", rdcc_nbytes=0) as data,
    ):
        _create(data, fields, attributes, len(subjects))
        table = csv.DictWriter(qc_file, columns, restval="", lineterminator="\n")
        table.writeheader()
        accepted = 0
        progress = Progress(f"{output.parent.name} {output.stem}", len(subjects))
        for eid, item in subjects:
            row, verdict = _judge(work, item)
            table.writerow({"eid": eid, **verdict})
            reasons[verdict["reason"]] += 1
            if row is not None:
                _write(data, accepted, {"eid": eid, **row})
                accepted += 1
            progress.step(accepted=accepted)
        progress.close()
        for name in data:
            data[name].resize(accepted, axis=0)
    _report(reasons)
    return reasons


def _judge(work: Work[Item], item: Item) -> tuple[Mapping[str, Any] | None, dict[str, Any]]:
    """Return a subject's row, or None, and the QC entries; errors are confined to this subject."""
    try:
        row, measures = work(item)
    except Rejection as error:
        return None, {"status": "rejected", "reason": error.reason, "detail": error.detail, **error.measures}
    except Exception as error:
        log.warning("a file led to an unexpected %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return None, {"status": "rejected", "reason": "unexpected error", "detail": type(error).__name__}
    return row, {"status": "accepted", "reason": "", "detail": "", **measures}


def _create(data: h5py.File, fields: Mapping[str, Field], attributes: Mapping[str, Any], rows: int) -> None:
    for name, field in {"eid": Field((), "int64"), **fields}.items():
        chunk = (1, *field.shape) if np.prod(field.shape) > 1000 else (max(1, min(rows, 1024)), *field.shape)
        data.create_dataset(name, (rows, *field.shape), field.dtype, chunks=chunk, maxshape=(None, *field.shape))
    data.attrs.update(attributes)


def _write(data: h5py.File, index: int, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        data[name][index] = value


def _report(reasons: Counter) -> None:
    log.info("%d accepted, %d rejected", reasons[""], reasons.total() - reasons[""])
    for reason, count in reasons.most_common():
        if reason:
            log.info("  %d: %s", count, reason)

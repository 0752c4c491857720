"""Prove that no withdrawn subject is left in the results: every file below the cohort's folder is searched.

What an interrupted job left (partial files, finished seeds, resume points) and what no rule declares is deleted if it
holds a withdrawn subject; a result that does ends the run. The simulated download and the withdrawal lists themselves
are not searched. A file that was overwritten stays in backups and snapshots, which only their owner can delete.

Output: audit.json (withdrawn subjects, files searched beside leftovers, leftovers deleted, and of each list its
subjects and how many of them have raw files). A list with none of those is warned of. Options may stand in a file, a
line each, that is named as @FILE.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmr2ecg.cohort.withdrawn_traces import files_below, holds
from cmr2ecg.raw.bulk import CMR_FIELD, ECG_FIELD, list_bulk
from cmr2ecg.raw.withdrawn import list_notes, read_list
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.progress import Progress

DOWNLOAD = "simulate_cohort"
KINDS = {"ecg": ECG_FIELD, "cmr": CMR_FIELD}
SHOWN = 10  # files named in the message


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the cohort's results folder")
    parser.fromfile_prefix_chars = "@"
    for name, field in KINDS.items():
        parser.add_argument(f"--{name}", nargs="*", default=[], help=f"where raw files of field {field} lie, if known")
    for name in ("segmentations", "excluded", "tabular", "boxes"):
        parser.add_argument(f"--{name}", nargs="*", default=[], help="not looked at")
    parser.add_argument("--withdrawn", type=Path, nargs="*", default=[], help="withdrawal lists")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args(argv)
    start(args)
    listed = [read_list(path) for path in args.withdrawn]
    cohort = {eid for name, field in KINDS.items() if vars(args)[name] for eid, _ in list_bulk(vars(args)[name], field)}
    for line in list_notes(listed, cohort) if cohort else ():
        logging.warning(line)
    eids = np.array(sorted(set().union(*(one.eids for one in listed))), np.int64)
    lists = {path.resolve() for path in args.withdrawn}
    files = [path for path in files_below(args.results) if path.relative_to(args.results).parts[0] != DOWNLOAD]
    files = [path for path in files if path.resolve() not in lists]
    found = traces(files, eids) if len(eids) else []
    leftovers = [path for path in found if is_leftover(path)]
    for path in leftovers:
        path.unlink()
    whole = sum(not is_leftover(path) for path in files)  # the same number however often the run was interrupted
    searched = {"withdrawn": len(eids), "files": whole, "leftovers_deleted": len(leftovers)}
    logging.info(
        "withdrawn subjects, files searched beside leftovers, leftovers deleted: %d, %d, %d", *searched.values()
    )
    lists_searched = [{"subjects": len(one.eids), "with_raw_files": len(one.eids & cohort)} for one in listed]
    left = [path for path in found if path not in leftovers]
    if left:
        raise InputError(message(left, args.results))
    write_json(args.output, searched | {"lists": lists_searched})


def traces(files: Sequence[Path], eids: np.ndarray) -> list[Path]:
    """Return the files that hold one of `eids`."""
    progress = Progress("audit_withdrawn", len(files))
    found = []
    for path in files:
        found += [path] if holds(path, eids) else []
        progress.step(found=len(found))
    progress.close()
    return found


def is_leftover(path: Path) -> bool:
    """Return whether a file is of an interrupted job or beside a rule's outputs, so that no result is lost with it."""
    return (
        ".partial" in path.suffix  # also SQLite's .partial-journal
        or path.parent.name == "seeds"
        or path.name == "resume.pt"
        or path.parts[-2:] == ("audit_leakage", "duplicates.csv")
    )


def message(left: Sequence[Path], results: Path) -> str:
    """Return one line that names the files without showing an eid in a name."""
    names = ["".join("?" if sign.isdigit() else sign for sign in str(path.relative_to(results))) for path in left]
    shown = ", ".join(names[:SHOWN]) + (f" and {len(left) - SHOWN} more" if len(left) > SHOWN else "")
    return (
        f"audit_withdrawn: {len(left)} files below {results} hold a withdrawn subject: {shown} (digits shown as ?). "
        "This run makes its own files anew, so these are of an earlier configuration: delete them and run again"
    )


if __name__ == "__main__":
    run(main)

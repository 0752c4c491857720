"""Save a cohort's results and Snakemake's records of them to a place that outlives the machine, and bring them back.

A restored folder is one in which the next `snakemake` reruns only what is stale. See docs/rap.md.

  python -m cmr2ecg.backup save ukb --at /mnt/disk/backup
  python -m cmr2ecg.backup restore ukb --at dx:project-xxxx:/backup
  python -m cmr2ecg.backup run ukb --at dx:/backup --every 15 -- snakemake --cores all --configfile config/ukb.yaml
"""

import argparse
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.backup.places import Place
from cmr2ecg.backup.save import restore, save
from cmr2ecg.backup.session import session
from cmr2ecg.runtime.command import InputError, run

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command in the repository's folder."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    args, command = parser().parse_args(words[:split]), words[split + 1 :]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    if bool(command) != (args.work == "run"):
        raise InputError("a command behind -- belongs to `run`, and only to it")
    if args.afresh and args.work != "save":
        raise InputError("--afresh belongs to `save`")
    folder, place = Path.cwd(), Place(args.at)
    if not (folder / "Snakefile").is_file():
        raise InputError("there is no Snakefile here: go to the folder of the repository first")
    if args.work == "save":
        save(folder, args.cohort, place, args.afresh)
    elif args.work == "restore":
        restore(folder, args.cohort, place)
    else:
        sys.exit(run_and_save(folder, args.cohort, place, args.every * 60, command))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    whole = argparse.ArgumentParser(
        "python -m cmr2ecg.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("work", choices=["save", "restore", "run"], help="run: restore, run the command, save meanwhile")
    whole.add_argument("cohort", help="the config's `cohort`, the folder below results/")
    whole.add_argument("--at", required=True, metavar="PLACE", help="a folder, a URL of fsspec, dx:[PROJECT:]/FOLDER")
    whole.add_argument("--every", type=float, default=15, metavar="MINUTES", help="`run` saves so often (default: 15)")
    whole.add_argument("--afresh", action="store_true", help="`save` writes everything anew and deletes earlier saves")
    return whole


def run_and_save(folder: Path, cohort: str, place: Place, every: float, command: Sequence[str]) -> int:
    """Restore the newest save unless this folder is at it, run a command, save meanwhile, and return its exit code.

    A save that fails, say for want of a network, is told and tried again `every` seconds later; only the last one's
    failure is an error. SIGTERM and SIGINT are handed to the command, whose end is waited for.
    """
    with session(folder, cohort, place) as now:
        behind = not now.may_follow()
    if behind:
        restore(folder, cohort, place)
    process = subprocess.Popen(command, cwd=folder)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: process.send_signal(number))
    while True:
        try:
            code = process.wait(every)
            break
        except subprocess.TimeoutExpired:
            try:
                save(folder, cohort, place)
            except (InputError, OSError) as error:
                log.warning("this save failed and is tried again: %s", error)
    save(folder, cohort, place)
    return code


if __name__ == "__main__":
    run(main)

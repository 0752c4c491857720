"""Save a cohort's results and Snakemake's records of them to a place that outlives the machine, and bring them back.

A restored folder is one in which the next `snakemake` reruns only what is stale. See docs/rap.md.

  python -m cmr2ecg.backup save ukb --at /mnt/disk/backup
  python -m cmr2ecg.backup restore ukb --at dx:project-xxxx:/backup
  python -m cmr2ecg.backup run ukb --at dx:/backup --every 15 -- snakemake --cores all --configfile config/ukb.yaml
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.backup.restore import restore
from cmr2ecg.backup.run import run_and_save
from cmr2ecg.backup.save import Saved, save
from cmr2ecg.backup.stores import open_store
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
    folder, store = Path.cwd(), open_store(args.at)
    if not (folder / "Snakefile").is_file():
        raise InputError("there is no Snakefile here: go to the folder of the repository first")
    if args.work == "save":
        report(save(folder, args.cohort, store, args.afresh))
    elif args.work == "restore":
        log.info("save %d of %s is restored", restore(folder, args.cohort, store), args.cohort)
    else:
        sys.exit(run_and_save(folder, args.cohort, store, args.every * 60, command, report))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    whole = argparse.ArgumentParser(
        "python -m cmr2ecg.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("work", choices=["save", "restore", "run"], help="run: restore, run the command, save meanwhile")
    whole.add_argument("cohort", help="the config's `cohort`, the folder below results/")
    whole.add_argument("--at", required=True, metavar="PLACE", help="a folder, or dx:[PROJECT:]/FOLDER of DNAnexus")
    whole.add_argument("--every", type=float, default=15, metavar="MINUTES", help="`run` saves so often (default: 15)")
    whole.add_argument("--afresh", action="store_true", help="`save` writes everything anew and deletes earlier saves")
    return whole


def report(saved: Saved) -> None:
    """Say what a save did."""
    log.info("save %d: %d of %d files written, %.1f MB", saved.number, saved.written, saved.files, saved.size / 1e6)


if __name__ == "__main__":
    run(main)

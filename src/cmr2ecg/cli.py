"""`cmr2ecg predict` and `cmr2ecg embed`: apply a release to your own ECGs."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cmr2ecg import __version__
from cmr2ecg.runtime.command import InputError, run
from cmr2ecg.runtime.failures import missing_package
from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.runtime.packages import check_core

if TYPE_CHECKING:  # what needs other packages is imported once these are known to be there
    from cmr2ecg.predict.records import Source

ECGS = (
    "XML of CardioSoft, MUSE, HL7 aECG or Philips Sierra; DICOM, SCP-ECG, EDF, BDF; WFDB headers (.hea); csv or npy of "
    "12 x samples; or folders of them"
)
EXAMPLES = """\
examples:
  cmr2ecg predict my_ecg.xml --model release/mmcl --out predictions
  cmr2ecg predict folder_of_ecgs --model release/mmcl --out predictions --no-pages
  cmr2ecg predict my_ecg.csv --rate 500 --unit uV --model release/mmcl --out predictions --prevalence cad=0.05
  cmr2ecg embed folder_of_ecgs --model release/mmcl --out embeddings.parquet

A csv or npy has the leads in the order I II III aVR aVL aVF V1 ... V6, or a csv names them in its first line.
A file that cannot be used is reported with the reason, and the others continue.
Research software, not a medical device.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    args = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    check_core()
    from cmr2ecg.predict.records import Source, check_rate_given, find_files
    from cmr2ecg.predict.release import read_config

    config, files = read_config(args.model), find_files(args.ecg)
    check_rate_given(files, args.rate)
    source = Source(config["clean_ecg"], args.rate, args.unit)
    args.work(args, files, source)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    whole = argparse.ArgumentParser(
        "cmr2ecg", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action="version", version=f"cmr2ecg {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, work, about in (
        ("predict", predict, "risks of disease and cardiac phenotypes, as json, csv and one page per ECG"),
        ("embed", embed, "the encoder's embedding of each ECG, as parquet or HDF5"),
    ):
        part = commands.add_parser(
            name, help=about, description=about, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        part.add_argument("ecg", type=Path, nargs="+", metavar="ECG", help=ECGS)
        part.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder of a release")
        part.add_argument("--rate", type=float, metavar="HZ", help="sampling rate of csv and npy files")
        part.add_argument(
            "--unit", choices=["mV", "uV"], help="unit of csv and npy files (default: that of a csv's header, or mV)"
        )
        part.add_argument(
            "--threads", type=int, default=available_cores(), metavar="N", help="cores to use (default: all)"
        )
        part.set_defaults(work=work)
        if name == "embed":
            part.add_argument("--out", type=Path, required=True, metavar="FILE", help=".h5 or .parquet file to write")
            continue
        part.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
        part.add_argument(
            "--prevalence",
            nargs="+",
            default=[],
            metavar="NAME=SHARE",
            help="prevalence of a disease in your population, if it differs from the release's",
        )
        pages = part.add_mutually_exclusive_group()
        pages.add_argument("--pages", choices=["pdf", "png", "both"], default="pdf", help="kind of page (default: pdf)")
        pages.add_argument(
            "--no-pages", action="store_const", const="none", dest="pages", help="draw none: much faster"
        )
    return whole


def threads_of(args: argparse.Namespace) -> int:
    """Return the cores to use, at least one and no more than there are."""
    return min(max(1, args.threads), available_cores())


def predict(args: argparse.Namespace, files: list[Path], source: "Source") -> None:
    """Write the predictions of each file."""
    from cmr2ecg.predict.run import predict_files

    options = {"prevalences": args.prevalence, "pages": args.pages, "threads": threads_of(args)}
    done, clock = predict_files(files, args.model, args.out, source, **options)
    finish(done, len(files), clock.report(), f"{args.out}/predictions.csv")


def embed(args: argparse.Namespace, files: list[Path], source: "Source") -> None:
    """Write the embedding of each file."""
    from cmr2ecg.predict.run import embed_files

    if args.out.suffix not in (".parquet", ".h5"):
        raise InputError(f"--out {args.out}: expected a .parquet or .h5 file")
    if args.out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(f"--out {args.out}: {missing_package('pyarrow', 'pyarrow')}, or name a .h5 file")
    done, clock = embed_files(files, args.model, args.out, source, threads_of(args))
    finish(done, len(files), clock.report(), str(args.out))


def finish(done: int, total: int, rates: str, written: str) -> None:
    """Log what was done; raise if no file could be used."""
    if not done:
        raise InputError(f"none of the {total} files could be used; the reasons are given above")
    logging.info("%s", rates)
    logging.info("%d of %d ECGs done, see %s", done, total, written)


class Stopped(KeyboardInterrupt):
    """The system has asked this process to end."""


def stop(number: int, _: object) -> None:
    """Stop as after Ctrl-C, so that results are written; a second signal ends the process at once."""
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)


def entry() -> None:
    """Run the command of the package's script."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
            signal.signal(number, stop)
    try:
        run(main)
    except Stopped as error:
        name = signal.Signals(error.args[0]).name
        logging.error("stopped by %s: finished results are kept; repeat the command to resume", name)
        sys.exit(128 + error.args[0])

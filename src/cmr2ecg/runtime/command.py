"""What every step's command line shares: arguments, logging, threads, and errors of one line."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cmr2ecg.runtime.failures import explain, one_line
from cmr2ecg.runtime.orphan import VARIABLE, end_with


class InputError(ValueError):
    """The user's input cannot be used; the message names the file or setting and how to fix it."""


class LogFile(logging.FileHandler):
    """A log on a disk that may be full: lines that do not fit are lost, without a traceback each."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a line that could not be written."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def step_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments of every step: --settings, --threads, --log."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=json.loads, default={}, help="the step's settings as JSON")
    parser.add_argument("--threads", type=int, default=1, help="cores this step may use")
    parser.add_argument("--log", type=Path, help="file for the step's messages as plain lines")
    return parser


def start(args: argparse.Namespace) -> None:
    """Send messages to --log, only warnings to stderr (without --log all), and keep libraries to --threads cores.

    Of several processes that torchrun started, only the first writes messages (the others show errors), and all share
    the cores. The job ends if its Snakemake is killed.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.WARNING if args.log else logging.INFO)
    handlers: list[logging.Handler] = [console]
    if os.environ.get("RANK", "0") != "0":
        console.setLevel(logging.ERROR)
    elif args.log:
        args.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(LogFile(args.log, mode="w"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
    if VARIABLE in os.environ:
        end_with(os.environ[VARIABLE])
    threads = max(1, args.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)  # those of NumPy and SciPy, in addition to torch's


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a step's main; errors that a user can fix (input, a full disk, missing permission) end it with one line."""
    try:
        main(None)
    except (InputError, FileNotFoundError) as error:
        logging.getLogger().error("error: %s", one_line(error))
        sys.exit(1)
    except Exception as error:
        explained = explain(error)
        if explained:
            logging.getLogger().error("error: %s", explained)
        else:
            logging.getLogger().exception("error: unexpected")
        sys.exit(1)

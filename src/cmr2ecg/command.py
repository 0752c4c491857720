"""What every step's command line shares: arguments, logging, threads, and errors of one line."""

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(ValueError):
    """The user's input cannot be used; the message names the file or setting and how to mend it."""


def step_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments every step takes: --settings, --threads, --log."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=json.loads, default={}, help="the step's settings as JSON")
    parser.add_argument("--threads", type=int, default=1, help="cores this step may use")
    parser.add_argument("--log", type=Path, help="file that takes the step's messages as plain lines")
    return parser


def start(args: argparse.Namespace) -> None:
    """Send messages to --log, only warnings to stderr (without --log all), and keep libraries to --threads cores.

    Of several processes that torchrun started, only the first writes messages (the others show errors), and all share
    the cores.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.WARNING if args.log else logging.INFO)
    handlers: list[logging.Handler] = [console]
    if os.environ.get("RANK", "0") != "0":
        console.setLevel(logging.ERROR)
    elif args.log:
        args.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(args.log, mode="w"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
    threads = max(1, args.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    else:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a step's main; an InputError, a missing file or a full disk ends it with one line and exit code 1."""
    try:
        main(None)
    except (InputError, FileNotFoundError) as error:
        logging.getLogger().error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            logging.getLogger().error("error: %s; make room and run again", error)
        else:
            logging.getLogger().exception("error: unexpected")
        sys.exit(1)

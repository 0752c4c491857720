"""Run a command that makes a target unless it is there, one process at a time; the Makefile sets up Python with it.

    python envs/locked.py LOCK TARGET [--newer-than FILE] -- COMMAND...

Standard library only: it runs before the environment is there. The lock ends with the command, however
that ends; flock(1) is not on every system.
"""

import argparse
import fcntl
import os
import sys


def main() -> None:
    """Wait for the lock, look again, and become the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock")
    parser.add_argument("target")
    parser.add_argument("--newer-than", metavar="FILE")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    take(args.lock)
    if not is_there(args.target, args.newer_than):
        os.execvp(args.command[0], args.command)


def take(path: str) -> None:
    """Return when this process holds the lock; commands it starts hold it too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(handle, True)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another make sets up Python here; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        print(f"warning: no lock here ({error.strerror}); start no second make beside this one", file=sys.stderr)


def is_there(target: str, older: str | None) -> bool:
    """Return whether the target exists and is as new as the file."""
    if not os.path.exists(target):
        return False
    return older is None or os.path.getmtime(target) >= os.path.getmtime(older)


if __name__ == "__main__":
    main()

"""`python -m cmr2ecg`: the command line, see cli.py."""

from cmr2ecg.cli import entry

if __name__ == "__main__":
    entry()

"""`python -P -m cmr2ecg`: the command line, see cli.py. Without -P Python itself looks into the working directory."""

from cmr2ecg.search_path import leave_out_working_directory

leave_out_working_directory()  # before anything else is imported

from cmr2ecg.cli import entry  # noqa: E402

if __name__ == "__main__":
    entry()

"""`python -m cmr2ecg...` puts the working directory first on the search path; what lies there is data, never code."""

import os
import sys

__version__ = "0.3.1"

if sys.argv[:1] == ["-m"]:
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"  # for the processes it starts

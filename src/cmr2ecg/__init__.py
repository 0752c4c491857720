"""`python -m cmr2ecg...` puts the working directory first on the search path; what lies there is data, never code."""

import os
import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    if sys.path[:1] == [os.getcwd()]:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"  # for the processes it starts

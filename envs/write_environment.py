"""Write environment.yaml, for conda and `snakemake --software-deployment-method conda`, from the pins on stdin."""

import re
import sys
from pathlib import Path

HEAD = """\
# Written by `make lock`, with the pins of requirements.txt that a run needs, without tests and style.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.13
  - pip
  - pip:
"""


def pins(text: str) -> list[str]:
    """Return the entries name==version of a compiled requirements file, with their markers."""
    return re.findall(r"^[A-Za-z0-9._-]+==[^#\n]*[^#\s]", text, flags=re.MULTILINE)


if __name__ == "__main__":
    entries = "".join(f"      - {entry}\n" for entry in pins(sys.stdin.read()))
    Path(__file__).with_name("environment.yaml").write_text(HEAD + entries)

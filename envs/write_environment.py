"""Write environment.yaml, for `snakemake --software-deployment-method conda`, with the pins of requirements.txt."""

import re
from pathlib import Path

HEAD = """\
# Written by `make lock` from requirements.txt: the same pins for snakemake --software-deployment-method conda.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def pins(text: str) -> list[str]:
    """Return the name==version entries of a compiled requirements file."""
    return re.findall(r"^[A-Za-z0-9._-]+==[^\s#;]+", text, flags=re.MULTILINE)


if __name__ == "__main__":
    folder = Path(__file__).parent
    entries = pins((folder / "requirements.txt").read_text())
    (folder / "environment.yaml").write_text(HEAD + "".join(f"      - {entry}\n" for entry in entries))

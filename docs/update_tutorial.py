"""Run every `$` line of docs/tutorial.md in a clone and put what it printed below it.

python docs/update_tutorial.py FOLDER: a clone or a copy; the tiny study is run there if it has not been.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).resolve().parent / "tutorial.md"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
AS_MODULE = 'cmr2ecg() { python -m cmr2ecg "$@"; }\n'  # in an environment without the command of `make env`
COLLAPSED = " has collapsed: "  # a warning of the first run alone: networks this small may


def commands(block: str) -> list[str]:
    """Return the command lines of a block."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def output_of(command: str, folder: Path) -> str:
    """Return what a command prints, both streams in order; raises RuntimeError if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}
    line = command if shutil.which("cmr2ecg", path=path) else AS_MODULE + command
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=os.environ | own, text=True, timeout=800, **streams)
    if done.returncode:
        raise RuntimeError(f"$ {line}\n{done.stdout[-3000:]}")
    return "\n".join(line for line in done.stdout.rstrip("\n").splitlines() if COLLAPSED not in line)


def told(text: str, folder: Path) -> str:
    """Return the tutorial with the output of every command."""

    def run_block(match: re.Match) -> str:
        parts = [f"$ {command}\n{output_of(command, folder)}".rstrip("\n") for command in commands(match[0])]
        return "\n".join(parts) + "\n"

    return BLOCK.sub(run_block, text)


if __name__ == "__main__":
    TUTORIAL.write_text(told(TUTORIAL.read_text(encoding="utf-8"), Path(sys.argv[1]).resolve()), encoding="utf-8")

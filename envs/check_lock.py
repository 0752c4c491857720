"""Ask the package index whether requirements.txt can be installed on every machine that cmr2ecg is for, from wheels.

`make check-lock` runs it; nothing is downloaded but what the index says.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.txt")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Both of snakemake: one Python file that was never published as a wheel, and one that needs a compiler on Python 3.14.
FROM_SOURCE = {"connection-pool": PYTHONS, "immutables": ("3.14",)}
MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest that torch is built for


def command(platform: str, python: str, target: str) -> list[str]:
    """Return the command that tries one machine."""
    where = ["--python-platform", platform, "--python-version", python, "--target", target]
    wheels = [
        "--only-binary",
        ":all:",
        *(f"--no-binary={name}" for name, when in FROM_SOURCE.items() if python in when),
    ]
    return ["uv", "pip", "install", "--dry-run", "--no-deps", "--require-hashes", *where, *wheels, "-r", str(LOCK)]


def main() -> None:
    """Try them all; the exit status says whether one fails."""
    failed = 0
    for platform in PLATFORMS:
        for python in PYTHONS:
            with tempfile.TemporaryDirectory() as target:
                tried = command(platform, python, target)
                done = subprocess.run(tried, capture_output=True, text=True, env=os.environ | MACOS)
            said = [line for line in done.stderr.splitlines() if line.startswith("Would install")]
            print(f"{platform:25} Python {python}: {said[0] if said else done.stderr.strip()}", flush=True)
            failed += done.returncode != 0
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

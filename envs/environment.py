"""Make the Python environment what it should be: the packages of requirements.txt, and the command cmr2ecg.

    python envs/environment.py VENV [--python] [--torch {cpu,cuda}]

An environment that is whole is left as it is. One that is half made, was moved, was made for another lock file or
whose Python is gone is made again. Of two at once the second waits and takes what the first has made.
Standard library only: it runs before the environment is there.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "envs/requirements.txt"
PACKAGE = ROOT / "pyproject.toml"
STAMP = ".installed"
MARK = b"cmr2ecg makes the environment beside this file\n"
TORCH = ("torch", "torchvision")
BUILD = re.compile("setuptools")  # builds what is no wheel, and cmr2ecg itself
CUDA = re.compile(r"(nvidia|cuda)-.*|triton|torch|torchvision")  # what a build of torch for processors does without
CPU_INDEX = os.environ.get("CMR2ECG_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")
# What pip may take from the user's shell: where packages come from. Others would put them elsewhere or change how.
PIP_TAKES = (
    *("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "CONSTRAINT", "CONFIG_FILE", "KEYRING_PROVIDER"),
    *("CERT", "CLIENT_CERT", "PROXY", "TRUSTED_HOST", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "CACHE_DIR"),
    "NO_CACHE_DIR",
)


def main() -> None:
    """Wait for others, look, and do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--python", action="store_true", help="the version of this Python, not any that it has")
    parser.add_argument("--torch", choices=["cpu", "cuda"], help="build of torch (default: what it has, or PyPI's)")
    args = parser.parse_args()
    torch = args.torch if sys.platform == "linux" else None  # elsewhere there is one build
    venv = args.venv.expanduser().resolve()  # a link stays, and what it leads to is made
    try:
        setup = Setup(venv, take(venv.with_name(venv.name + ".lock")))
        reason = why_not(venv, args.python, torch)
        if reason:
            setup.build(reason, torch or "cuda")
        if not (venv / "bin/cmr2ecg").exists() or read_stamp(venv).get("package") != package():
            setup.install_package()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{venv} is not finished: {Path(error.cmd[0]).name} said why above; the same command tries again")
    except KeyboardInterrupt:
        sys.exit(f"{venv} is not finished; the same command tries again")
    except (OSError, ValueError) as error:
        sys.exit(f"{venv} cannot be made: {error}; make the place writable, or name another with make VENV=...")


def take(path: Path) -> int | None:
    """Return the descriptor of a lock that this process holds until it ends, or None where none is to be had."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # in the clone of somebody else, where an environment that is whole can be used
        if not path.exists():
            return None
        handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another make sets up Python here; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        print(f"warning: no lock here ({error.strerror}); start no second make beside this one", file=sys.stderr)
    return handle


def why_not(venv: Path, this_python: bool, torch: str | None) -> str:
    """Return why an environment cannot be used as it is; "" if it can."""
    if not venv.exists():
        return "there is none"
    found = read_stamp(venv)
    if not found:
        return "it is half made, or an older version's"
    if found["place"] != str(venv):
        return "it was made in another folder"
    if found["lock"] != digest(LOCK):
        return "envs/requirements.txt is another"
    version = version_of(venv / "bin/python")
    if version != found["python"]:
        return f"its Python {found['python']} is gone"
    if this_python and version != minor(sys.version_info):
        return f"it has Python {version}, expected {minor(sys.version_info)}"
    if torch and torch != found["torch"]:
        return f"it has torch for {found['torch']}, expected {torch}"
    return ""


@dataclass(frozen=True)
class Setup:
    """What makes an environment in a folder; `lock` is held by every command too, however this process ends."""

    venv: Path
    lock: int | None

    @property
    def python(self) -> str:
        """Return the environment's Python."""
        return str(self.venv / "bin/python")

    def build(self, reason: str, torch: str) -> None:
        """Make the environment from nothing."""
        if not self._is_ours():
            sys.exit(
                f"{self.venv} was not made by cmr2ecg, so it is left alone: name another folder with make VENV=..."
            )
        print(f"installing Python's packages into {self.venv} ({reason}), about three minutes", flush=True)
        self._mark()
        (self.venv / STAMP).unlink(missing_ok=True)
        base = getattr(sys, "_base_executable", sys.executable)  # this Python may be the one that is made again
        self._run([base, "-m", "venv", "--clear", str(self.venv)])
        text = LOCK.read_text()
        self._install(only(text, BUILD.fullmatch))
        if torch == "cpu":
            self._install(only(text, lambda name: not CUDA.fullmatch(name)))
            wanted = [f"{name}=={version}" for name, version in pins(text) if name in TORCH]
            self._run([self.python, *PIP, "--no-deps", "--index-url", CPU_INDEX, *wanted])
        else:
            self._install(text)
        self._check(text, torch)
        made = {"place": str(self.venv), "lock": digest(LOCK), "python": version_of(Path(self.python))}
        write_stamp(self.venv, **made, torch=torch, package="")

    def install_package(self) -> None:
        """Install cmr2ecg from this folder, with the setuptools of the environment: no network."""
        options = ("--no-index", "--no-deps", "--no-build-isolation", "--editable", ".")
        self._run([self.python, *PIP, *options], cwd=ROOT)
        write_stamp(self.venv, **{**read_stamp(self.venv), "package": package()})

    def _install(self, text: str) -> None:
        """Install what a lock file names, held against its hashes; what is no wheel is built with what is there."""
        options = ("--no-deps", "--require-hashes", "--no-build-isolation", "--use-pep517")
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            self._run([self.python, *PIP, *options, "-r", file.name])

    def _check(self, text: str, torch: str) -> None:
        """Stop unless what every machine needs is there, and torch is the build that was asked for."""
        entries = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+) *\\?$", text, flags=re.MULTILINE)
        code = "import json, sys; from importlib.metadata import distributions; "
        code += "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in distributions()}))"
        command = [self.python, "-I", "-c", code]
        there = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        for name, version in entries:
            if not (torch == "cpu" and CUDA.fullmatch(name)) and there.get(name) != version:
                sys.exit(f"{self.venv}: pip left out {name}; look for settings of pip's that put packages elsewhere")
        if torch == "cpu" and not there.get("torch", "").endswith("+cpu"):
            sys.exit(f"{self.venv}: {CPU_INDEX} gave no torch without CUDA (is PIP_NO_INDEX set?)")

    def _is_ours(self) -> bool:
        """Return whether the folder may be emptied: nothing is in it, or stamp, lock or place say that it is ours."""
        if self.venv.exists() and not self.venv.is_dir():
            return False
        if not self.venv.exists() or not any(self.venv.iterdir()) or (self.venv / STAMP).exists():
            return True
        begun = self.lock is not None and os.pread(self.lock, len(MARK), 0) == MARK
        return begun or (ROOT in self.venv.parents and (self.venv / "pyvenv.cfg").exists())

    def _mark(self) -> None:
        """Write into the lock that the folder is ours: one that is left half empty has nothing inside to say so."""
        if self.lock is not None:
            os.pwrite(self.lock, MARK, 0)

    def _run(self, command: list[str], cwd: Path | None = None) -> None:
        kept = {f"PIP_{name}" for name in PIP_TAKES}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") or k in kept}
        for name in ("PYTHONWARNINGS", "PYTHONHOME"):
            environment.pop(name, None)
        held = () if self.lock is None else (self.lock,)
        subprocess.run(command, check=True, cwd=cwd, pass_fds=held, env=environment | {"PIP_USER": "0"})


def read_stamp(venv: Path) -> dict[str, str]:
    """Return what an environment was made of, empty for one that is not finished."""
    try:
        found = json.loads((venv / STAMP).read_text())
        return found if {"place", "lock", "python", "torch", "package"} <= found.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}


def write_stamp(venv: Path, **values: str) -> None:
    """Write what an environment is made of, whole or not at all."""
    partial = venv / f"{STAMP}.partial"
    partial.write_text(json.dumps(values, indent=1) + "\n")
    partial.replace(venv / STAMP)


def pins(text: str) -> list[tuple[str, str]]:
    """Return names and versions of a lock file."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE)


def only(text: str, wanted: Callable[[str], object]) -> str:
    """Return a lock file with the packages whose names are wanted."""
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return "".join(entry for entry in entries if "==" in entry and wanted(entry.partition("==")[0]))


def package() -> str:
    """Return what the installed command was made from: pyproject.toml as it is, in this folder."""
    return f"{digest(PACKAGE)} {ROOT}"


def digest(path: Path) -> str:
    """Return the start of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def version_of(python: Path) -> str:
    """Return a Python's version, "" if it does not run."""
    command = [python, "-I", "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def minor(version: tuple) -> str:
    """Return "3.12" of a version."""
    return ".".join(map(str, version[:2]))


if __name__ == "__main__":
    main()

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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "envs/requirements.txt"
PACKAGE = ROOT / "pyproject.toml"
STAMP = ".installed"
TORCH = ("torch", "torchvision")
BUILD = re.compile("setuptools")  # builds what is no wheel, and cmr2ecg itself
CUDA = re.compile(r"(nvidia|cuda)-.*|triton|torch|torchvision")  # what a build of torch for processors does without
CPU_INDEX = os.environ.get("CMR2ECG_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")


def main() -> None:
    """Wait for others, look, and do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--python", action="store_true", help="the version of this Python, not any that it has")
    parser.add_argument("--torch", choices=["cpu", "cuda"], help="build of torch (default: what it has, or PyPI's)")
    args = parser.parse_args()
    venv = args.venv.absolute()
    lock = take(venv.with_name(venv.name + ".lock"))
    try:
        reason = why_not(venv, args.python, args.torch)
        if reason:
            build(venv, reason, args.torch or "cuda")
        if not (venv / "bin/cmr2ecg").exists() or read_stamp(venv).get("package") != digest(PACKAGE):
            install_package(venv)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{venv} is not finished: {Path(error.cmd[0]).name} said why above; the same command tries again")
    finally:
        os.close(lock)


def take(path: Path) -> int:
    """Return the descriptor of a lock that this process holds; it ends with the process, however that ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(handle, True)  # commands that outlive this process hold it too
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
    if found["place"] != str(venv.resolve()):
        return "it was made in another folder"
    if found["lock"] != digest(LOCK):
        return "envs/requirements.txt is another"
    version = version_of(venv / "bin/python")
    if version != found["python"]:
        return f"its Python {found['python']} is gone"
    if this_python and version != minor(sys.version_info):
        return f"it has Python {version}, and {minor(sys.version_info)} is wanted"
    if torch and torch != found["torch"]:
        return f"it has torch for {found['torch']}, and {torch} is wanted"
    return ""


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


def build(venv: Path, reason: str, torch: str) -> None:
    """Make an environment from nothing."""
    print(f"installing Python's packages into {venv} ({reason}), about three minutes", flush=True)
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        sys.exit(f"{venv} is no Python environment, so it is left alone: name another folder with make VENV=...")
    (venv / STAMP).unlink(missing_ok=True)
    base = getattr(sys, "_base_executable", sys.executable)  # this Python may be the one that is made again
    subprocess.run([base, "-m", "venv", "--clear", venv], check=True)
    python, text = str(venv / "bin/python"), LOCK.read_text()
    install(python, only(text, BUILD.fullmatch))
    if torch == "cpu" and sys.platform == "linux":  # elsewhere there is no other build
        wanted = [f"{name}=={version}" for name, version in pins(text) if name in TORCH]
        install(python, only(text, lambda name: not CUDA.fullmatch(name)))
        subprocess.run([python, *PIP, "--no-deps", "--index-url", CPU_INDEX, *wanted], check=True)
    else:
        install(python, text)
    made = {"place": str(venv.resolve()), "lock": digest(LOCK), "python": version_of(Path(python))}
    write_stamp(venv, **made, torch=torch, package="")


def install(python: str, text: str) -> None:
    """Install what a lock file names, each file held against its hash; what is no wheel is built with what is there."""
    options = ("--no-deps", "--require-hashes", "--no-build-isolation", "--use-pep517")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        subprocess.run([python, *PIP, *options, "-r", file.name], check=True)


def pins(text: str) -> list[tuple[str, str]]:
    """Return names and versions of a lock file."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE)


def only(text: str, wanted: Callable[[str], object]) -> str:
    """Return a lock file with the packages whose names are wanted."""
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return "".join(entry for entry in entries if "==" in entry and wanted(entry.partition("==")[0]))


def install_package(venv: Path) -> None:
    """Install cmr2ecg from this folder, with the setuptools of the environment: no network."""
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--editable", ".")
    subprocess.run([venv / "bin/python", *PIP, *options], check=True, cwd=ROOT)
    write_stamp(venv, **{**read_stamp(venv), "package": digest(PACKAGE)})


def digest(path: Path) -> str:
    """Return the start of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def version_of(python: Path) -> str:
    """Return a Python's version, "" if it does not run."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def minor(version: tuple) -> str:
    """Return "3.12" of a version."""
    return ".".join(map(str, version[:2]))


if __name__ == "__main__":
    main()

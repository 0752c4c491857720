"""envs/environment.py and envs/find_python: what is whole is left alone, what is not is made again by one process."""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
BACKEND = '''"""A build backend that needs nothing: it writes a wheel with the command cmr2ecg."""
import zipfile


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "cmr2ecg-0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as file:
        file.writestr("cmr2ecg_stand_in.py", "main = print")
        file.writestr("cmr2ecg-0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: cmr2ecg\\nVersion: 0\\n")
        file.writestr("cmr2ecg-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr("cmr2ecg-0.dist-info/entry_points.txt", "[console_scripts]\\ncmr2ecg = cmr2ecg_stand_in:main\\n")
        file.writestr("cmr2ecg-0.dist-info/RECORD", "")
    return name
'''


def load(path):
    spec = importlib.util.spec_from_file_location("environment_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_wheel(folder, version, name="tiny", build=""):
    """Write a wheel with one module that states its version, and return its entry in a lock file."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", f"version = {version + build!r}")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return (
        f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    )


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with the script alone, whose lock file names one package of a folder beside it."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "clone"
    (folder / "envs").mkdir(parents=True)
    shutil.copy(ROOT / "envs/environment.py", folder / "envs")
    (folder / "envs/requirements.txt").write_text(small_wheel(tmp_path, "1"))
    (folder / "backend.py").write_text(BACKEND)
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(backend + '[project]\nname = "cmr2ecg"\nversion = "0"\n')
    return folder


def start(clone, *options, venv=None):
    command = [sys.executable, str(clone / "envs/environment.py"), str(venv or clone / ".venv"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(clone, *options, venv=None):
    process = start(clone, *options, venv=venv)
    out, err = process.communicate()
    return process.returncode, out, err


def version_there(clone, name="tiny"):
    command = [clone / ".venv/bin/python", "-c", f"import {name}; print({name}.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_an_environment_from_nothing_to_its_end(clone, tmp_path):
    first = start(clone)
    assert "there is none" in first.stdout.readline()
    second = start(clone)  # waits for the first, or comes when that is done
    for process in (first, second):
        out, err = process.communicate()
        assert (process.returncode, out) == (0, ""), err
    assert (clone / ".venv/bin/cmr2ecg").exists() and version_there(clone) == "1"
    assert done(clone) == (0, "", "") and done(clone, "--python") == (0, "", "")
    marker = clone / ".venv/marker"
    marker.touch()

    (clone / ".venv/bin/cmr2ecg").unlink()  # the command alone is missing
    assert done(clone)[:2] == (0, "") and (clone / ".venv/bin/cmr2ecg").exists() and marker.exists()

    (clone / ".venv/.installed").unlink()  # pip was interrupted
    assert "half made" in done(clone)[1] and not marker.exists()

    (clone / "envs/requirements.txt").write_text(small_wheel(tmp_path, "2"))
    assert "requirements.txt is another" in done(clone)[1] and version_there(clone) == "2"

    moved = clone.rename(tmp_path / "elsewhere")
    assert "made in another folder" in done(moved)[1] and version_there(moved) == "2"

    (moved / "envs/requirements.txt").write_text("tiny==2 --hash=sha256:" + "0" * 64 + "\n")
    code, _, error = done(moved)
    assert code == 1 and "the same command tries again" in error and "HASHES" in error
    assert not (moved / ".venv/.installed").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torch has a build without CUDA on Linux alone")
def test_torch_without_cuda_comes_from_an_index_of_its_own(clone, tmp_path, monkeypatch):
    names = ("torch", "torchvision", "nvidia_cublas", "triton")
    lock = "".join(small_wheel(tmp_path, "1", name, "+cuda") for name in names)
    (clone / "envs/requirements.txt").write_text(lock + small_wheel(tmp_path, "1"))
    for name in ("torch", "torchvision"):
        place = tmp_path / "index" / name
        place.mkdir(parents=True)
        small_wheel(place, "1+cpu", name)
        (place / "index.html").write_text(
            f'<a href="{name}-1%2Bcpu-py3-none-any.whl">{name}-1+cpu-py3-none-any.whl</a>'
        )
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    main = tmp_path / "main"
    for name in ("tiny", *names):
        place = main / name.replace("_", "-")
        place.mkdir(parents=True)
        wheel = Path(shutil.copy(tmp_path / f"{name}-1-py3-none-any.whl", place))
        (place / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", main.as_uri())
    monkeypatch.setenv("CMR2ECG_TORCH_INDEX", (tmp_path / "index").as_uri())
    code, _, err = done(clone, "--torch", "cpu")
    assert code == 0, err
    assert version_there(clone, "torch") == version_there(clone, "torchvision") == "1+cpu"
    assert version_there(clone) == "1" and not list((clone / ".venv").rglob("nvidia*"))
    assert done(clone) == (0, "", "")
    assert done(clone) == (0, "", "")
    assert "it has torch for cpu, expected cuda" in done(clone, "--torch", "cuda")[1]
    assert version_there(clone, "torch") == "1+cuda" and list((clone / ".venv").rglob("nvidia*"))


def test_the_second_waits_for_the_first(clone):
    with open(clone / ".venv.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = start(clone)
        assert process.stderr.readline() == "another make sets up Python here; waiting for it\n"
        assert process.poll() is None and not (clone / ".venv").exists()
        process.kill()
        process.communicate()


@pytest.mark.parametrize("with_python", [True, False])
def test_a_folder_of_the_users_own_is_left_alone(clone, tmp_path, with_python):
    """An environment, too, unless it is ours: it says so, its lock does, or it lies in the clone."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    if with_python:
        (mine / "pyvenv.cfg").write_text("home = /usr/bin\n")
    code, _, error = done(clone, venv=mine)
    assert code == 1 and "was not made by cmr2ecg, so it is left alone" in error
    assert (mine / "thesis.txt").read_text() == "mine"
    (clone / ".venv").write_text("a file")
    assert "left alone" in done(clone)[2] and (clone / ".venv").read_text() == "a file"


@pytest.mark.slow
def test_an_environment_whose_clearing_was_interrupted_and_one_behind_a_link(clone, tmp_path, monkeypatch):
    for name, value in {"TARGET": "/nowhere", "USER": "1", "REQUIRE_HASHES": "1", "DRY_RUN": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)  # of the user's shell: packages would go elsewhere, or nowhere
    place = tmp_path / "deep/scratch"
    place.mkdir(parents=True)
    (clone / ".venv").symlink_to(place)
    assert done(clone)[0] == 0 and version_there(clone) == "1" and (clone / ".venv").is_symlink()
    for name in ("pyvenv.cfg", ".installed"):
        (place / name).unlink()
    assert "half made" in done(clone)[1] and version_there(clone) == "1"

    elsewhere = clone.rename(tmp_path / "elsewhere")  # the environment stays, and its command belongs to another place
    assert done(elsewhere) == (0, "", "")
    assert str(elsewhere) in json.loads((place / ".installed").read_text())["package"]


def test_without_a_lock_a_whole_environment_is_used(clone, monkeypatch, tmp_path):
    """In the clone of another member of the group, whose lock file this user may only read, or not make."""
    script = load(clone / "envs/environment.py")
    opened = []

    def refuse(path, flags, *mode):
        opened.append(flags)
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *mode)

    real = os.open
    monkeypatch.setattr(script.os, "open", refuse)
    assert script.take(tmp_path / "venv.lock") is None
    shutil.copy(clone / "pyproject.toml", tmp_path / "venv.lock")
    handle = script.take(tmp_path / "venv.lock")
    assert handle is not None and opened[-1] == os.O_RDONLY
    os.close(handle)


@pytest.mark.parametrize(
    ("changed", "options", "reason"),
    [
        ({}, (False, None), ""),
        ({}, (True, "cuda"), ""),
        ({}, (False, "cpu"), "it has torch for cuda, expected cpu"),
        ({"torch": "cpu"}, (False, None), ""),
        ({"python": "3.99"}, (False, None), "its Python 3.99 is gone"),
        ({"place": "/elsewhere"}, (False, None), "it was made in another folder"),
        ({"lock": "0"}, (False, None), "envs/requirements.txt is another"),
    ],
)
def test_why_an_environment_cannot_be_used(clone, changed, options, reason):
    script, venv = load(clone / "envs/environment.py"), clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(sys.executable)
    whole = {"place": str(venv), "lock": script.digest(script.LOCK), "python": HERE, "torch": "cuda", "package": "0"}
    script.write_stamp(venv, **whole | changed)
    assert script.why_not(venv, *options) == reason
    (venv / ".installed").write_text(json.dumps(whole)[:-9])
    assert "half made" in script.why_not(venv, *options)
    (venv / ".installed").write_text("")  # of an older version
    assert "half made" in script.why_not(venv, *options)


def test_another_python_than_the_one_wanted(clone):
    script, venv = load(clone / "envs/environment.py"), clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text("#!/bin/sh\necho 3.99\n")
    (venv / "bin/python").chmod(0o755)
    about = {"place": str(venv), "lock": script.digest(script.LOCK), "torch": "cuda", "package": "0"}
    script.write_stamp(venv, python="3.99", **about)
    assert script.why_not(venv, False, None) == ""
    assert script.why_not(venv, True, None) == f"it has Python 3.99, expected {HERE}"


def test_without_cuda_all_other_pins_stay():
    script = load(ROOT / "envs/environment.py")
    text = script.LOCK.read_text()
    rest = script.only(text, lambda name: not script.CUDA.fullmatch(name))
    before, after = dict(script.pins(text)), dict(script.pins(rest))
    gone = before.keys() - after.keys()
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= gone
    assert all(script.CUDA.fullmatch(name) for name in gone) and len(gone) < 30
    assert rest.count("--hash=") > 1000
    assert dict(script.pins(script.only(text, script.BUILD.fullmatch))).keys() == {"setuptools"}


def stub(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path):
    """A folder that is the whole search path, with what a shell script needs."""
    for tool in ("cat", "sh"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    stub(tmp_path, "cc", "exit 0")  # which Python 3.14 is asked about
    return tmp_path


def find(path, *arguments):
    command = [str(ROOT / "envs/find_python"), str(path / "venv"), *arguments]
    found = subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True)
    return found.returncode, found.stdout.strip(), found.stderr.strip()


def test_the_newest_python_that_works_is_found(path):
    stub(path, "python3.14", "exit 127")  # as pyenv's for a version that is not switched on
    stub(path, "python3.13", f'exec {sys.executable} "$@"')
    stub(path, "python3.12", f'exec {sys.executable} "$@"')
    assert find(path) == (0, str(path / "python3.13"), "")
    stub(path, "python3.14", "echo pyenv: not set; exit 127")
    assert find(path) == (0, str(path / "python3.13"), "")
    assert find(path, str(path / "python3.12")) == (0, str(path / "python3.12"), "")
    (path / "venv/bin").mkdir(parents=True)
    (path / "venv/bin/python").symlink_to(sys.executable)  # the environment's own stays while it works
    assert find(path) == (0, str(path / "venv/bin/python"), "")
    (path / "venv/bin/python").unlink()
    (path / "venv/bin/python").symlink_to("/usr/bin/python-of-the-last-release")
    assert find(path) == (0, str(path / "python3.13"), "")


def test_what_to_install_where_there_is_none(path):
    code, out, err = find(path)
    assert (code, out) == (1, "")
    for system, package in (
        ("Debian 12 or 13, Ubuntu 24.04", "apt install python3 python3-venv"),
        ("Fedora", "dnf install python3.12"),
        ("Homebrew", "brew install python@3.13"),
    ):
        assert any(system in line and package in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("status", "words"), [(4, "apt install python3-venv"), (5, "gcc python3-dev"), (3, "older or does not run")]
)
def test_what_a_python_lacks(path, status, words):
    stub(path, "python3.14", f"exit {status}")
    code, out, err = find(path, "python3.14")
    assert (code, out, len(err.splitlines())) == (1, "", 1) and words in err
    if status != 3:
        assert find(path) == (1, "", err)


def test_a_python_that_is_not_there(path):
    code, _, err = find(path, "python-of-nowhere")
    assert code == 1 and err.startswith("cmr2ecg needs Python 3.11 or newer, and there is no python-of-nowhere")

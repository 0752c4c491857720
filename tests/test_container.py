"""The container recipe: what it names is there, and where a builder is, `predict` is built and runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from release_setups import make_release

from cmr2ecg import __version__
from cmr2ecg.predict.onnx_file import example_record
from cmr2ecg.runtime.packages import CORE

ROOT = Path(__file__).resolve().parents[1]
RECIPE = (ROOT / "envs/Containerfile").read_text()
BASE, IMAGE = "localhost/cmr2ecg-test-base", "localhost/cmr2ecg-test:predict"


def pins(path):
    return set(re.findall(r"^[A-Za-z0-9._-]+==[^\\\n]*[^\\\s]", path.read_text(), flags=re.MULTILINE))


def test_its_pins_are_those_of_the_lock_and_no_more_than_the_core_needs():
    ours = pins(ROOT / "envs/requirements-predict.txt")
    assert ours <= pins(ROOT / "envs/requirements.txt")
    names = {Requirement(pin).name for pin in ours}
    assert set(CORE) <= names and len(names) < 30 and "torch" not in names


def test_what_the_recipe_copies_is_there_and_what_is_big_or_private_is_not():
    copied = [name for line in re.findall(r"^COPY (.+)", RECIPE, flags=re.MULTILINE) for name in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"results", ".venv*", ".git", ".snakemake"} <= set(ignored)
    stages = re.findall(r"^FROM .* AS (\w+)", RECIPE, flags=re.MULTILINE)
    definition = (ROOT / "envs/cmr2ecg.def").read_text()
    assert stages == ["predict", "study"] and all(f"image={stage}" in definition for stage in stages)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    """buildah on a base of Debian's own packages, for no registry of images need be reached; removed in the end."""
    missing = [tool for tool in ("buildah", "debootstrap") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip("buildah or debootstrap is not installed, or not root (Debian: apt install buildah debootstrap)")
    root = tmp_path_factory.mktemp("container")
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
    store = ["--root", str(root / "store"), "--runroot", str(root / "run")]

    def run(*arguments):
        command = ["buildah", *store, *map(str, arguments)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "stable", str(root / "debian")], check=True)
    base = run("from", "scratch")
    run("add", "--quiet", base, root / "debian", "/")
    run("commit", "--quiet", base, BASE)
    yield run
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.long
def test_predict_is_built_and_predicts_for_any_user(builder, tmp_path):
    """Certificates and settings of this machine's pip are lent to the build; they do not stay in the image."""
    lent = [path for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    volumes = [text for path in lent for text in ("--volume", f"{path}:{path}:ro")]
    options = [
        "--target",
        "predict",
        "--build-arg",
        f"BASE={BASE}",
        "--tag",
        IMAGE,
        "--file",
        ROOT / "envs/Containerfile",
    ]
    builder("build", *volumes, *options, ROOT)
    release = make_release(tmp_path, targets=("cad",), onnx=True)
    np.save(tmp_path / "ecg.npy", example_record(5000)[0])
    container = builder("from", IMAGE)
    tmp_path.chmod(0o755)
    shared = ("--user", "1234", "--volume", f"{tmp_path}:/data:ro", container, "--", "cmr2ecg")
    assert builder("run", *shared, "--version") == f"cmr2ecg {__version__}"
    inside = f"/data/{release.relative_to(tmp_path)}"
    written = ("sh", "-c", f"cmr2ecg predict ecg.npy --rate 500 --model {inside} --out /tmp/out && cat /tmp/out/*.csv")
    said = builder("run", *shared[:-1], *written)
    assert said.splitlines()[1].startswith("ecg.npy,predicted,")

"""The documents name files, functions, settings and pictures that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), ROOT / "config" / "README.md"])
FILE = re.compile(r"`((?:src|config|workflow|docs|tests|envs|profiles)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document):
    text = document.read_text(encoding="utf-8")
    missing = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    missing += [name for name in re.findall(r"\]\((images/[^)]+)\)", text) if not (document.parent / name).exists()]
    assert missing == []


def test_methods_names_functions_and_settings_that_exist():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert len(FILE.findall(text)) > 30
    for path, name in re.findall(r"`(src/[\w./]+\.py)` `(\w+)`", text):
        assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (
            path,
            name,
        )
    config = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))
    for dotted in re.findall(r"`((?:pretrain|finetune|crop_cmr|clean_ecg|models)\.[\w.]+)(?::[^`]*)?`", text):
        value = config
        for key in dotted.split("."):
            value = value[key]


def test_every_training_part_is_in_methods():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rooms = [ROOT / "src" / "cmr2ecg" / room for room in ("losses", "augment", "models")]
    modules = {p for room in rooms for p in room.glob("*.py")} - {p / "__init__.py" for p in rooms}
    helpers = {ROOT / "src/cmr2ecg/augment/draw.py"}
    assert [str(p) for p in modules - helpers if str(p.relative_to(ROOT)) not in text] == []


def test_the_tour_names_every_room_and_its_files_exist():
    package, text = ROOT / "src" / "cmr2ecg", (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    table, ways = text.split("## One ECG", 1)
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    assert [name for name in sorted(folders) if f"`{name}`" not in table] == []
    files = {path.name for path in package.rglob("*.py")} | {path.name for path in ROOT.rglob("config/*")}
    named = re.findall(r"`(?:[a-z_]+/)*([a-z_0-9]+\.py)`", ways)
    assert len(named) > 30 and [name for name in named if name not in files] == []
    paths = re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.py)`", ways)
    assert [path for path in paths if not (package / path).exists()] == []


def test_nothing_but_its_own_page_is_committed_below_results():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()
    assert "src/cmr2ecg/__init__.py" in names
    assert [name for name in names if "results" in name.split("/")[0] and name != "results/README.md"] == []

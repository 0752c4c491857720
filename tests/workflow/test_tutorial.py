"""docs/tutorial.md: every command works in a finished copy and prints what stands there, numbers left out."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def load():
    spec = importlib.util.spec_from_file_location("update_tutorial", ROOT / "docs/update_tutorial.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def masked(text: str) -> list[str]:
    """Return the lines without numbers, times, padding of tables and progress lines, which come by the clock."""
    text = re.sub(r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?|\bnan\b|–", "#", text)
    lines = [re.sub(r"[ -]+", " ", line).strip() for line in text.splitlines()]
    return [line for line in lines if not line.startswith("ECGs #/#")]


def test_every_command_of_the_tutorial_prints_what_it_says(finished, tmp_path):
    tutorial = load()
    text = tutorial.TUTORIAL.read_text(encoding="utf-8")
    assert len([c for block in tutorial.BLOCK.findall(text) for c in tutorial.commands(block)]) >= 15
    shutil.copytree(finished, tmp_path / "clone", copy_function=shutil.copy2)
    assert masked(tutorial.told(text, tmp_path / "clone")) == masked(text)

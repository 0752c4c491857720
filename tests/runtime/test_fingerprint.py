"""What makes results stale: the meaning of the code that a step reaches, not its files."""

import ast
import shutil
from collections.abc import Callable

import pytest

from cmr2ecg.runtime import imports
from cmr2ecg.runtime.fingerprint import WITHOUT_NUMBERS, fingerprint

STEP = '''
"""A step."""
from cmr2ecg.shared import scale

def main():
    """Run it."""
    return scale(3)
'''
SHARED = '''
"""Shared helpers."""
import logging

log = logging.getLogger(__name__)
FACTOR = 2.0

def scale(value: float, offset=1) -> float:
    """Return it scaled."""
    log.info("scaling %s", value)
    return FACTOR * value + offset

def unused(value):
    return value
'''
Edit = Callable[..., bool]


@pytest.fixture
def changes(tmp_path, monkeypatch) -> Edit:
    """changes(old, new, file): whether an edit of one file of a small package changes the step's fingerprint."""
    monkeypatch.setattr(imports, "SOURCE", tmp_path)
    (tmp_path / "cmr2ecg/runtime").mkdir(parents=True)
    files = {"step": STEP, "shared": SHARED, "runtime/command": "LIMIT = 1\n"}

    def write(name: str, text: str) -> None:
        (tmp_path / f"cmr2ecg/{name}.py").write_text(text)

    def changes(old: str, new: str, file: str = "shared") -> bool:
        for name, text in files.items():
            write(name, text)
        before = fingerprint("cmr2ecg.step")
        assert old in files[file]
        write(file, files[file].replace(old, new))
        return fingerprint("cmr2ecg.step") != before

    changes.files, changes.write = files, write
    return changes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Shared helpers.", "Helpers that are  shared."),
        ("Return it scaled.", "Return it, scaled."),
        ("FACTOR = 2.0", "FACTOR = (\n    2.0  # a reason\n)"),
        ("value: float, offset=1) -> float", "value: int, offset=1)"),
        ('log.info("scaling %s", value)', 'log.info("scaled: %s", value)'),
        ("def unused(value):", "def another():\n    return 5\n\ndef unused(value):"),
        ("return value\n", "return -value\n"),
    ],
    ids=["docstring", "docstring of a function", "layout", "annotation", "log line", "new helper", "unused helper"],
)
def test_what_only_people_read_or_nobody_uses_is_no_change(changes, old, new):
    assert not changes(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FACTOR = 2.0", "FACTOR = 2"),
        ("offset=1", "offset=2"),
        ("FACTOR * value", "value * FACTOR"),
        ("FACTOR = 2.0", "FACTOR = 2.0\nFACTOR = 3.0"),
        ("def unused", "log.setLevel(3)\nlog.disabled = bool(FACTOR)\ndef unused"),
        ("def scale", "@staticmethod\ndef scale"),
        ("import logging", "import logging.handlers as logging"),
    ],
    ids=["constant", "default argument", "body", "second value", "what runs on import", "decorator", "other import"],
)
def test_a_change_of_meaning_is_seen(changes, old, new):
    assert changes(old, new)


def test_the_step_itself_counts_whole(changes):
    assert changes("scale(3)", "scale(4)", file="step")
    assert changes("def main", "def other():\n    return 1\n\ndef main", file="step")
    assert not changes('"""A step."""', '"""The step."""', file="step")


def test_equal_names_of_two_modules_are_told_apart(changes):
    """Two limits that change places are the same set of statements, and another meaning."""
    changes.files["step"] = "from cmr2ecg.shared import scale\nfrom cmr2ecg.other import cut\n"
    changes.files["other"] = "FACTOR = 3.0\ndef cut(value):\n    return value - FACTOR\n"
    assert not changes("FACTOR", "FACTOR")
    before = fingerprint("cmr2ecg.step")
    changes.write("shared", SHARED.replace("2.0", "3.0"))
    changes.write("other", changes.files["other"].replace("3.0", "2.0"))
    assert fingerprint("cmr2ecg.step") != before


def test_a_module_that_moves_is_no_change(changes):
    assert not changes("FACTOR", "FACTOR")
    before = fingerprint("cmr2ecg.step")
    changes.write("elsewhere", SHARED)
    changes.write("step", STEP.replace("cmr2ecg.shared", "cmr2ecg.elsewhere"))
    assert fingerprint("cmr2ecg.step") == before


def test_imports_in_functions_whole_modules_and_circles_are_followed(changes):
    changes.files["step"] = "def main():\n    from cmr2ecg import shared\n    return shared.scale(1)\n"
    changes.files["shared"] = SHARED + "from cmr2ecg.back import again\n"
    changes.files["back"] = "from cmr2ecg.shared import scale\nTIMES = 1\ndef again():\n    return scale(TIMES)\n"
    assert changes("TIMES = 1", "TIMES = 2", file="back")
    assert changes("return value\n", "return -value\n")  # of a whole module everything counts


def test_a_table_beside_the_code_counts(changes, tmp_path):
    changes.files["shared"] = SHARED.replace("FACTOR = 2.0", 'FACTOR = len(open("fields.tsv").read())')
    (tmp_path / "cmr2ecg/fields.tsv").write_text("a\tb\n")
    assert not changes("FACTOR", "FACTOR")
    before = fingerprint("cmr2ecg.step")
    (tmp_path / "cmr2ecg/fields.tsv").write_text("a\tc\n")
    assert fingerprint("cmr2ecg.step") != before


def test_modules_that_cannot_change_a_number_do_not_count(changes):
    changes.files["step"] = "from cmr2ecg.runtime.command import LIMIT\nfrom cmr2ecg.shared import scale\n"
    assert not changes("LIMIT = 1", "LIMIT = 2", file="runtime/command")


def test_such_modules_exist_and_compute_nothing():
    paths = [*(imports.SOURCE / "cmr2ecg" / WITHOUT_NUMBERS).glob("*.py")]
    assert len(paths) > 9
    for path in paths:
        text = path.read_text()
        found = {
            alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names
        }
        assert not found & {"numpy", "torch", "pandas", "scipy"}, path


def test_every_step_has_a_fingerprint_of_its_own():
    steps = [path.stem for path in (imports.SOURCE / "cmr2ecg/steps").glob("*.py") if path.stem != "__init__"]
    assert len({fingerprint(f"cmr2ecg.steps.{step}") for step in steps}) == len(steps) > 30


def test_a_constant_of_the_xml_reader_reaches_the_steps_that_read_xml_only(tmp_path, monkeypatch):
    """The real package, copied and edited."""
    shutil.copytree(imports.SOURCE / "cmr2ecg", tmp_path / "cmr2ecg")
    monkeypatch.setattr(imports, "SOURCE", tmp_path)
    steps = ("clean_ecg", "crop_cmr", "read_tabular", "split_subjects", "finetune", "simulate_cohort")
    before = {step: fingerprint(f"cmr2ecg.steps.{step}") for step in steps}
    path = tmp_path / "cmr2ecg/ukb/cardiosoft.py"
    changed = ast.unparse(ast.parse(path.read_text()))  # other layout, no comments
    path.write_text(changed)
    assert {step: fingerprint(f"cmr2ecg.steps.{step}") for step in steps} == before
    path.write_text(changed.replace("'uVperLsb'", "'mVperLsb'"))
    assert path.read_text() != changed
    after = {step: fingerprint(f"cmr2ecg.steps.{step}") for step in steps}
    assert {step for step in steps if after[step] != before[step]} == {"clean_ecg"}


def test_a_module_without_a_file_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"cmr2ecg\.nowhere"):
        fingerprint("cmr2ecg.nowhere")

"""What makes results stale: the meaning of the code that a step reaches, not its files."""

import ast
import inspect
import re
import shutil
from collections.abc import Callable

import pytest

from cmr2ecg.runtime import imports
from cmr2ecg.runtime.fingerprint import WITHOUT_NUMBERS, fingerprint
from cmr2ecg.study.settings.base import Section
from cmr2ecg.study.settings.study import Settings

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
import math
from pathlib import Path

log = logging.getLogger(__name__)
FACTOR = 2.0

def scale(value: float, offset=1) -> float:
    """Return it scaled."""
    log.info("scaling %s", value)
    return math.floor(FACTOR * value) + offset

def unused(value):
    return value
'''
STEPS = [path.stem for path in (imports.SOURCE / "cmr2ecg/steps").glob("*.py") if path.stem != "__init__"]
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
        ("value: float, offset=1) -> float", "value: Path, offset=1) -> Path"),
        ("FACTOR = 2.0", 'FACTOR = 2.0\n"""How much larger."""'),
        ('log.info("scaling %s", value)', 'log.info("scaled: %s by %d", value, len(str(FACTOR)))'),
        ("def unused(value):", "def another():\n    return 5\n\ndef unused(value):"),
        ("return value\n", "return -value\n"),
    ],
    ids=[
        *("docstring", "docstring of a function", "layout", "annotation", "annotation with an imported name"),
        *("docstring of a constant", "log line", "new helper", "unused helper"),
    ],
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
        ("import math", "import cmath as math"),
        ('log.info("scaling %s", value)', 'log.info("scaling %s", value := 3)'),
        ('log.info("scaling %s", value)', 'log.info("scaling %s", value.pop())'),
    ],
    ids=[
        *("constant", "default argument", "body", "second value", "what runs on import", "decorator", "other import"),
        *("a log line that sets a name", "a log line that changes a value"),
    ],
)
def test_a_change_of_meaning_is_seen(changes, old, new):
    assert changes(old, new)


@pytest.mark.parametrize(
    ("shared", "old", "new"),
    [
        ("from cmr2ecg.other import *\n", "return 1", "return 2"),
        ("TABLE = {}\n@entered('x')\ndef one():\n    return 1\ndef scale():\n    return TABLE['x']()\n", "1", "2"),
        (
            "TABLE = []\nTABLE += [1]\nTABLE *= 2\nscale = TABLE\n",
            "TABLE += [1]\nTABLE *= 2",
            "TABLE *= 2\nTABLE += [1]",
        ),
        ("TWICE = 2 * (ONCE := 1)\ndef scale():\n    return ONCE\n", ":= 1", ":= 2"),
        ("def __getattr__(name):\n    return 1\n", "return 1", "return 2"),
    ],
    ids=[
        "all names of a module",
        "a decorator that enters",
        "order of changes",
        "named within",
        "a name when asked for",
    ],
)
def test_what_is_used_without_its_name_is_seen(changes, shared, old, new):
    changes.files |= {"shared": shared, "other": "def scale(value):\n    return 1\n"}
    assert changes(old, new, file="shared" if old in shared else "other")


def test_no_step_has_what_a_fingerprint_cannot_follow():
    """Names that are looked up by texts, code in __init__ files, and docstrings beyond the command line's help."""
    for path in (imports.SOURCE / "cmr2ecg").rglob("*/__init__.py"):
        tree = ast.parse(path.read_text())
        assert len(tree.body) == (ast.get_docstring(tree) is not None), path
    for path in imports.reached_files(*(f"cmr2ecg.steps.{step}" for step in STEPS)):
        text = path.read_text()
        nodes = [*ast.walk(ast.parse(text))]
        names = {getattr(node, kind, "") for node in nodes for kind in ("id", "name")}
        attributes = {getattr(node, "attr", "") for node in nodes}
        assert not names & {"globals", "eval", "exec", "__init_subclass__"}, path
        assert not attributes & {"__subclasses__", "__doc__"}, path
        assert "__doc__" not in names or re.search(r"arser\([^)]*__doc__", text), path
        if "import_module" in names | attributes:
            assert path.stem == "make_figure", path  # its rule names the figure's module


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
    rooms = {room: [*(imports.SOURCE / "cmr2ecg" / room).glob("*.py")] for room in WITHOUT_NUMBERS}
    inside = tuple(f"cmr2ecg.{room.replace('/', '.')}." for room in rooms)
    assert all(len(paths) > 9 for paths in rooms.values())
    for path in [path for paths in rooms.values() for path in paths]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & {"numpy", "torch", "pandas", "scipy"}, path
            # A module of another room that is used only here would count for no step.
            assert all(name.startswith(inside) for name in names if name.startswith("cmr2ecg"))


def test_the_text_the_default_and_the_attribute_of_a_setting_do_not_count(changes, tmp_path):
    """A step is told every value; what it reads of them, and under which name, stands in its own code."""
    (tmp_path / "cmr2ecg/study/settings").mkdir(parents=True)
    section = 'class Scale(Section):\n    """How much."""\n    factor: float = setting(2.0, "how much larger")\n'
    changes.files["study/settings/sizes"] = section + "class Other(Section):\n    side: int = setting(3, 'a side')\n"
    changes.files["step"] = "from cmr2ecg.study.settings.sizes import Scale\nfrom cmr2ecg.shared import scale\n"
    changes.files["step"] += "def main(told):\n    return scale(Scale(**told).factor)\n"
    for old, new in (("how much larger", "by what"), ("2.0", "3.0"), ("side: int", "edge: int"), ("a side", "b")):
        assert not changes(old, new, file="study/settings/sizes")
    assert changes(".factor", ".offset", file="step")


def test_an_import_for_type_checkers_does_not_count(changes):
    checked = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cmr2ecg.other import Size\n"
    changes.files |= {"shared": checked + SHARED, "other": "class Size:\n    side = 1\n"}
    assert not changes("side = 1", "side = 2", file="other")
    assert not changes("import Size", "import Size as S")


def test_a_step_has_no_default_of_a_setting_and_uses_sections_alone():
    """What study/settings may leave out of fingerprints rests on: no step takes a constant or a function from there."""
    assert Settings()  # every section is imported with it
    sections = {section.__name__ for section in _below(Section)}
    used = set()
    for path in imports.reached_files(*(f"cmr2ecg.steps.{step}" for step in STEPS)):
        if path.parent.name in ("study", "settings"):
            continue
        names = {name for name in imports.imported_names(path) if name.startswith("cmr2ecg.study.settings.")}
        used |= {name.rpartition(".")[2] for name in names if imports.module_file(name) is None}
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not {getattr(called, "id", "") for called in calls} & sections & used, path
    assert used - {"step_settings"} <= sections and len(used) > 8
    for section in _below(Section):
        functions = {name for name, value in vars(section).items() if inspect.isfunction(value)}
        assert functions <= {"__hash__", "_given"}, section


def _below(section: type) -> list[type]:
    return [found for child in section.__subclasses__() for found in (child, *_below(child))]


def test_every_step_has_a_fingerprint_of_its_own():
    assert len({fingerprint(f"cmr2ecg.steps.{step}") for step in STEPS}) == len(STEPS) > 30


def test_a_constant_of_the_xml_reader_reaches_the_steps_that_read_xml_only(tmp_path, monkeypatch):
    """The real package, copied and edited."""
    shutil.copytree(imports.SOURCE / "cmr2ecg", tmp_path / "cmr2ecg")
    monkeypatch.setattr(imports, "SOURCE", tmp_path)
    steps = ("clean_ecg", "crop_cmr", "read_tabular", "split_subjects", "finetune", "simulate_cohort")
    before = {step: fingerprint(f"cmr2ecg.steps.{step}") for step in steps}
    path = tmp_path / "cmr2ecg/ecg/cardiosoft.py"
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

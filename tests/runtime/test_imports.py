"""What a step reaches through its imports: the base of rerunning only stale steps."""

import ast
import sys

import pytest

from cmr2ecg.runtime import imports
from cmr2ecg.runtime.imports import code_digest, reached_files


def names(*modules: str) -> set[str]:
    return {path.relative_to(imports.SOURCE / "cmr2ecg").as_posix() for path in reached_files(*modules)}


def test_a_step_reaches_what_it_imports_and_nothing_else():
    cleaning = names("cmr2ecg.steps.clean_ecg")
    assert {"steps/clean_ecg.py", "ecg/clean.py", "ecg/cardiosoft.py", "runtime/command.py"} <= cleaning
    assert not any(name.startswith(("models/", "training/", "evaluate/")) for name in cleaning)
    assert "models/vit.py" in names("cmr2ecg.steps.finetune") & names("cmr2ecg.steps.pretrain_mae")


def test_every_module_a_step_loads_is_found():
    """Import a step for real and compare: nothing of the package may be loaded that was not found."""
    import cmr2ecg.steps.finetune  # noqa: F401

    found = names("cmr2ecg.steps.finetune")
    loaded = {name for name in sys.modules if name.startswith("cmr2ecg.training.fit.finetune")}
    assert {f"{name.removeprefix('cmr2ecg.').replace('.', '/')}.py" for name in loaded} <= found
    assert {"training/fit/seeds.py", "loading/labels.py", "augment/draw.py"} <= found


def test_package_files_hold_no_code():
    """They are not reached by the walk, and say at most what their room is for; the first sets the search path."""
    packages = (imports.SOURCE / "cmr2ecg").glob("*/**/__init__.py")
    bodies = [ast.parse(path.read_text()).body for path in packages]
    assert all(not body or (len(body) == 1 and isinstance(body[0], ast.Expr)) for body in bodies)


def test_every_import_inside_the_package_is_absolute():
    for path in (imports.SOURCE / "cmr2ecg").rglob("*.py"):
        assert "from ." not in path.read_text(), path


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "SOURCE", tmp_path)
    (tmp_path / "cmr2ecg").mkdir()

    def write(name: str, text: str) -> None:
        (tmp_path / "cmr2ecg" / f"{name}.py").write_text(text)

    return write


def test_imports_in_functions_and_circles_are_followed(package):
    package("a", "def f():\n    from cmr2ecg.b import x\n")
    package("b", "from cmr2ecg import a\nimport cmr2ecg.c\n")
    package("c", "import os\n")
    assert [path.stem for path in reached_files("cmr2ecg.a")] == ["a", "b", "c"]


def test_the_digest_follows_the_content_of_every_reached_file(package):
    package("a", "from cmr2ecg.b import x\n")
    package("b", "x = 1\n")
    before = code_digest("cmr2ecg.a")
    package("unrelated", "y = 2\n")
    assert code_digest("cmr2ecg.a") == before
    package("b", "x = 2\n")
    assert code_digest("cmr2ecg.a") != before


def test_a_module_without_a_file_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match=r"cmr2ecg\.nowhere"):
        reached_files("cmr2ecg.nowhere")

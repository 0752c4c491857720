"""Find the source files that a module reaches through its absolute imports, without importing anything.

The meaning of these files decides what reruns (fingerprint.py); result.json records the digest of the files themselves.
Standard library only, since it runs while the Snakefile is parsed.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "cmr2ecg"
SOURCE = Path(__file__).resolve().parents[2]


def module_file(module: str) -> Path | None:
    """Return the file of a dotted module name of this package, or None if there is none."""
    path = SOURCE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_names(path: Path) -> tuple[str, ...]:
    """Return the dotted names inside this package that a file imports, anywhere in it."""
    return _names(path.read_text(encoding="utf-8"))


@cache  # every rule asks for its files, and most files are common to many
def _names(source: str) -> tuple[str, ...]:
    return tuple(names_in(ast.parse(source)))


def names_in(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names inside this package that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached_files(*modules: str, imported: Callable[[Path], Iterable[str]] = imported_names) -> list[Path]:
    """Return the sorted files that `modules` consist of and reach; empty __init__ files are left out.

    Args:
        modules: dotted names.
        imported: returns the dotted names that a file imports.

    Raises:
        ModuleNotFoundError: if a named module has no file.
    """
    waiting, found = list(modules), set()
    for module in modules:
        if module_file(module) is None:
            raise ModuleNotFoundError(f"no file for module {module}")
    while waiting:
        path = module_file(waiting.pop())
        if path is None or path in found or path.name == "__init__.py":
            continue
        found.add(path)
        waiting.extend(imported(path))
    return sorted(found)


def code_digest(*modules: str) -> str:
    """Return a SHA-256 over the content of the reached files."""
    whole = hashlib.sha256()
    for path in reached_files(*modules):
        whole.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()

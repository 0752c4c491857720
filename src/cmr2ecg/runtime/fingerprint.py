"""Fingerprint the meaning of the code that a step reaches: it decides whether results are stale.

The digest is over syntax trees without comments, layout, docstrings and annotations of functions, and only over
definitions that the step reaches: a typo fixed in a docstring, another line break, a new unused helper
or a moved module leave it unchanged; another constant or default argument does not. Texts for people and what is for
type checkers are left out: log lines, help texts, imports under TYPE_CHECKING. So are the rooms `WITHOUT_NUMBERS`.
Nothing is imported.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

from cmr2ecg.runtime.imports import PACKAGE, module_file, names_in, reached_files

WITHOUT_NUMBERS = (
    "runtime",  # command line, logging, progress, signals, locks and temporary files
    # Declares settings. A step is told the value of each by its key and has no default of its own, so another text,
    # default or limit here, or another section, changes nothing that it was told; what it reads stands in its own code.
    "study/settings",
)
LEFT_OUT = tuple((PACKAGE, *room.split("/")) for room in WITHOUT_NUMBERS)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
FILE_NAME = re.compile(r"[\w-]{1,99}\.\w{1,9}")
UNREAD = {  # parts of a node without a meaning, such as annotations of functions
    ast.arg: ("annotation", "type_comment"),
    ast.FunctionDef: ("returns", "type_comment"),
    ast.AsyncFunctionDef: ("returns", "type_comment"),
    ast.Assign: ("type_comment",),
    ast.Constant: ("kind",),
}
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception"})
# Calls without side effects; a line for people that calls anything else counts.
HARMLESS = frozenset({"len", "str", "int", "float", "round", "type", "sum", "min", "max", "sorted"})
# At top level; other decorators may register what they decorate, so that it is used without its name.
PLAIN_DECORATORS = frozenset({"dataclass", "contextmanager", "cache", "lru_cache", "inference_mode", "no_grad"})


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement of a module's top level, or one name of an import.

    digest: of its meaning. names: those used in it. imports: dotted names of this package that it imports.
    files: strings that may name a file in the module's folder.
    """

    digest: str
    names: frozenset[str] = frozenset()
    imports: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Module:
    """A module's statements by the names they define, and those that run on import in any case.

    The latter are also listed, in the order of the file, under every name they use, which they may change.
    imports: dotted names of this package that are imported anywhere in it.
    """

    definitions: dict[str, list[Statement]] = field(default_factory=dict)
    always: list[Statement] = field(default_factory=list)
    imports: tuple[str, ...] = ()


def fingerprint(*modules: str) -> str:
    """Return a SHA-256 of the meaning of these modules and of everything they reach.

    These modules count entirely; of others the definitions that are used, and what runs on import.

    Raises:
        ModuleNotFoundError: if a named module has no file.
    """
    counting = [pair for module in modules for pair in _of(module)]
    for path in reached_files(*modules, imported=lambda path: _read(path).imports):
        counting += [] if _left_out(path) else [(path, statement) for statement in _read(path).always]
    seen: dict[Statement, str] = {}
    return _sha256(*(_follow(*pair, seen) for pair in sorted(counting, key=lambda pair: pair[1].digest)))


def _follow(path: Path, statement: Statement, seen: dict[Statement, str]) -> str:
    """Return a digest of a statement of a file and of everything it uses, each statement once in a cycle."""
    if statement in seen:
        return seen[statement]
    seen[statement] = statement.digest
    definitions = _read(path).definitions
    used = [(path, found) for name in sorted(statement.names & definitions.keys()) for found in definitions[name]]
    used += [pair for name in statement.imports for pair in _of(name)]
    files = [path.with_name(name) for name in sorted(statement.files) if path.with_name(name).is_file()]
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    seen[statement] = _sha256(statement.digest, *(_follow(*pair, seen) for pair in used), *contents)
    return seen[statement]


def _of(dotted: str) -> Iterator[tuple[Path, Statement]]:
    """Resolve a dotted name of this package: yield a whole module, or a module's definitions of a name."""
    path = module_file(dotted)
    if path is not None:
        wanted = None
    else:
        dotted, _, wanted = dotted.rpartition(".")
        path = module_file(dotted)
    if path is None or path.name == "__init__.py" or _left_out(path):
        return
    module = _read(path)
    whole = [*chain.from_iterable(module.definitions.values()), *module.always]
    part = whole if wanted in (None, "*") else module.definitions.get(wanted, [])
    yield from ((path, statement) for statement in part)


def _left_out(path: Path) -> bool:
    return any(path.parts[:-1][-len(parts) :] == parts for parts in LEFT_OUT)


def _read(path: Path) -> Module:
    return _parse(path.read_text(encoding="utf-8"))


@cache  # every rule asks, and most files are common to many
def _parse(source: str) -> Module:
    tree = ast.parse(source)
    module = Module(imports=tuple(names_in(tree)))
    for node in tree.body:
        if _speaks(node):
            continue
        names = list(_defined(node))
        if names and isinstance(node, ast.Import | ast.ImportFrom):
            for name, alias in zip(names, node.names, strict=True):
                module.definitions.setdefault(name, []).append(_statement(_one_name(node, alias)))
            continue
        statement = _statement(node)
        for name in names or sorted(statement.names):
            module.definitions.setdefault(name, []).append(statement)
        if not names:
            module.always.append(statement)
    return module


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines if it does nothing else; otherwise none."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        asked_by_python = node.name.startswith("__")  # a module's __getattr__
        if not asked_by_python and all(_last_name(part) in PLAIN_DECORATORS for part in node.decorator_list):
            yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        if node.names[0].name != "*":
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [part for target in targets for part in getattr(target, "elts", [target])]
        if all(isinstance(part, ast.Name) for part in parts):
            yield from (part.id for part in parts)


def _last_name(decorator: ast.expr) -> str:
    """Return `c` of a decorator `@a.b.c(...)`."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _one_name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    """Return an import statement with one of its names."""
    if isinstance(node, ast.Import):
        return ast.Import(names=[alias])
    return ast.ImportFrom(module=node.module, names=[alias], level=node.level)


def _statement(node: ast.stmt) -> Statement:
    names, strings, imports = set(), set(), []
    for part in _walk(node):
        if isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            strings.add(part.value)
        elif isinstance(part, ast.Import):
            imports += [alias.name for alias in part.names if _inside(alias.name)]
        elif isinstance(part, ast.ImportFrom) and _inside(part.module):
            imports += [f"{part.module}.{alias.name}" for alias in part.names]
    files = frozenset(filter(FILE_NAME.fullmatch, strings))
    return Statement(_sha256(repr(_meaning(node))), frozenset(names), tuple(imports), files)


def _inside(module: str | None) -> bool:
    return (module or "").partition(".")[0] == PACKAGE


def _meaning(node: object) -> object:
    """Return a syntax tree as nested lists, without texts for people."""
    if isinstance(node, list):
        return [_meaning(part) for part in node]
    if not isinstance(node, ast.AST):
        return node
    return [type(node).__name__, *((name, _meaning(value)) for name, value in _parts(node))]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, without texts for people."""
    yield node
    for _, value in _parts(node):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _walk(part)


def _parts(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Yield the meaningful parts of a node, by their names."""
    unread = UNREAD.get(type(node), ())
    if isinstance(node, ast.ImportFrom) and _inside(node.module):
        unread = ("module",)  # the definition of the name counts, wherever it is: see `_follow`
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            value = [part for part in value if not _speaks(part)]
        # Empty parts of a node differ between versions of Python.
        if value is not None and value != [] and name not in unread:
            yield name, value


def _speaks(node: object) -> bool:
    """Return whether a part is only for people or type checkers: a docstring, a log line, a help text."""
    if isinstance(node, ast.keyword):
        return node.arg == "help" and not _acts(node.value)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr in LOG_METHODS
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id == "log"
        and not any(_acts(argument) for argument in (*value.args, *value.keywords))
    )


def _acts(node: ast.AST) -> bool:
    """Return whether an expression may have side effects: a name, arguments of a call, a generator."""
    return any(
        isinstance(part, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(part, ast.Call) and getattr(part.func, "id", None) not in HARMLESS)
        for part in ast.walk(node)
    )


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

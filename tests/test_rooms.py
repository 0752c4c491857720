"""The package is a house of rooms: each imports those below it, never one above, and modules never in a circle."""

from graphlib import TopologicalSorter

from cmr2ecg.runtime.imports import SOURCE, imported_names, module_file

# From the bottom up; rooms of one line do not know each other.
FLOORS = (
    "runtime",
    "study.settings",
    "study",
    "raw",
    "ecg cmr tables",
    "loading",
    "cohort",
    "models augment losses",
    "metrics",
    "training",
    "training.fit training.pretrain",
    "sweeps",
    "report.maps",
    "report.tables",
    "report.figures",
    "report",
    "predict",
    "tracking simulate",
    "steps",
    "verify plan backup cli",
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
FILES = [path for path in (SOURCE / "cmr2ecg").rglob("*.py") if path.parent != SOURCE / "cmr2ecg"]


def room_of(path):
    """Return the room of a file: its folder, or its own name at the top."""
    parts = path.relative_to(SOURCE / "cmr2ecg").with_suffix("").parts
    return ".".join(parts[:-1]) or parts[0]


def imports_of(path):
    """Return the other files of the package that a file imports."""
    found = {module_file(name) for name in imported_names(path)} - {None, path}
    return {file for file in found if file.name != "__init__.py"}


def test_every_room_has_its_floor():
    assert {room_of(path) for path in FILES if path.name != "__init__.py"} - set(FLOOR) == set()


def test_a_room_imports_no_room_above_or_beside_it():
    pairs = [(path, other) for path in FILES for other in imports_of(path)]
    assert len(pairs) > 500
    upward = [
        f"{path.relative_to(SOURCE)} imports {other.relative_to(SOURCE)}"
        for path, other in pairs
        if room_of(path) != room_of(other) and FLOOR[room_of(other)] >= FLOOR[room_of(path)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle():
    order = TopologicalSorter({path: imports_of(path) for path in FILES}).static_order()
    assert len(list(order)) >= len(FILES)

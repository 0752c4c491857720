"""A finished run of the tiny cohort in a copy of the repository."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drive_snakemake import copy_repository, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the tiny study has run. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    copy_repository(folder)
    done = snakemake(folder, "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-10000:]
    return folder


@pytest.fixture
def edited(finished: Path) -> Iterator[Callable[[str, str, str], Path]]:
    """A way to edit a file of the finished copy for one test: edited(path, old, new); it is put back afterwards."""
    kept: dict[Path, bytes] = {}

    def edit(name: str, old: str, new: str) -> Path:
        path = finished / name
        kept.setdefault(path, path.read_bytes())
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))
        return finished

    yield edit
    for path, content in kept.items():
        path.write_bytes(content)

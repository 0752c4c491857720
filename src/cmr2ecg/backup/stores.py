"""Where saves are kept: a folder, or a folder of a DNAnexus project through its command `dx`."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic

DX = "dx:"


class Store(Protocol):
    """Named files that appear whole or not at all."""

    def names(self) -> list[str]:
        """Return the names of the files."""

    def put(self, source: Path) -> None:
        """Keep a file under its own name; a file of that name that was there is replaced."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to `target`."""

    def delete(self, name: str) -> None:
        """Remove a file."""


def open_store(where: str) -> Store:
    """Return the store at a path, or at dx:[PROJECT:]/FOLDER."""
    return DxStore(where.removeprefix(DX)) if where.startswith(DX) else FolderStore(Path(where))


class FolderStore:
    """A folder, say on a disk that outlives the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the names of the files."""
        return sorted(os.listdir(self.folder)) if self.folder.is_dir() else []

    def put(self, source: Path) -> None:
        """Copy a file to the folder."""
        with atomic(self.folder / source.name) as partial:
            shutil.copyfile(source, partial)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file of the folder."""
        shutil.copyfile(self.folder / name, target)

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self.folder / name).unlink(missing_ok=True)


class DxStore:
    """A folder of a DNAnexus project: "/backup" of the selected one, or "project-xxxx:/backup".

    Only closed files count: one whose upload was cut off stays open. Files are told apart by their ids, since a project
    may hold two of one name; the newer counts.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder.rstrip("/")
        self.ids: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the names of the closed files; the folder is made if need be."""
        dx("mkdir", "-p", self.folder)
        listed = dx(
            "find", "data", "--class", "file", "--state", "closed", "--norecurse", "--json", "--path", self.folder
        )
        found = [(item["describe"]["modified"], item["describe"]["name"], item["id"]) for item in json.loads(listed)]
        self.ids = {name: file for _, name, file in sorted(found)}
        return sorted(self.ids)

    def put(self, source: Path) -> None:
        """Upload a file and wait until it is closed; an older one of its name goes."""
        older = self.ids.get(source.name)
        self.ids[source.name] = dx(
            "upload", str(source), "--path", f"{self.folder}/{source.name}", "--wait", "--brief", "--no-progress"
        ).strip()
        if older:
            dx("rm", "--force", self._in_project(older))

    def fetch(self, name: str, target: Path) -> None:
        """Download a file."""
        dx("download", self._in_project(self.ids[name]), "--output", str(target), "--overwrite", "--no-progress")

    def delete(self, name: str) -> None:
        """Remove a file of the project."""
        dx("rm", "--force", self._in_project(self.ids.pop(name)))

    def _in_project(self, file: str) -> str:
        project, colon, _ = self.folder.rpartition(":")
        return project + colon + file


def dx(*arguments: str) -> str:
    """Run one of DNAnexus's commands and return what it prints.

    Raises:
        InputError: if it is not there or fails.
    """
    try:
        done = subprocess.run(["dx", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError("the command dx is not there: pip install dxpy, then dx login and dx select") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise InputError(f"dx {' '.join(arguments[:2])} failed: {last[0]}")
    return done.stdout

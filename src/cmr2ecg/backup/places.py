"""Where saves are kept: a folder of any filesystem that fsspec knows, or of a DNAnexus project by its command `dx`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from cmr2ecg.runtime.command import InputError

DX = "dx:"


class Place:
    """Files in a folder: a path, a URL as s3://bucket/folder, or dx:[PROJECT:]/FOLDER."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.files, self.folder = _filesystem(at)

    def names(self) -> list[str]:
        """Return the names of the files."""
        self.files.invalidate_cache()  # another machine may have saved
        try:
            return sorted(path.rpartition("/")[2] for path in self._call("ls", self.folder, False))
        except FileNotFoundError:
            return []

    def put(self, source: Path, whole: bool = False) -> None:
        """Keep a file under its own name; `whole`: it appears whole or not at all, by a change of name where needed."""
        target = f"{self.folder}/{source.name}"
        first = f"{target}.partial" if whole and not isinstance(self.files, DxFileSystem) else target
        self._call("put_file", str(source), first)
        if first != target:
            self._call("mv", first, target)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to `target`."""
        self._call("get_file", f"{self.folder}/{name}", str(target))

    def delete(self, name: str) -> None:
        """Remove a file."""
        self._call("rm_file", f"{self.folder}/{name}")

    def _call(self, work: str, *arguments: Any) -> Any:
        """Let the filesystem do something; what else its libraries raise, for want of a login say, is an InputError."""
        try:
            return getattr(self.files, work)(*arguments)
        except (InputError, OSError):
            raise
        except Exception as error:
            raise InputError(f"{self.at}: {work} failed: {type(error).__name__}: {error}") from error


def _filesystem(at: str) -> tuple[AbstractFileSystem, str]:
    """Return the filesystem of a place and the folder in it."""
    if at.startswith(DX):
        return DxFileSystem(), at.removeprefix(DX).rstrip("/")
    if "://" not in at:
        return LocalFileSystem(auto_mkdir=True), os.path.abspath(at)
    try:
        files, folder = url_to_fs(at)
    except (ImportError, ValueError) as error:
        raise InputError(f"{at}: {error}") from None
    return files, folder.rstrip("/")


class DxFileSystem(AbstractFileSystem):
    """The files of DNAnexus projects, as "/backup/NAME" of the selected one or "project-xxxx:/backup/NAME".

    Only closed files count: one whose upload was cut off stays open. Files are told apart by their ids, which `ls`
    learns, since a project may hold two of one name; the newer counts.
    """

    protocol, cachable = "dx", False

    def __init__(self) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return the closed files of a folder, which is made if need be."""
        dx("mkdir", "-p", path)
        listed = dx("find", "data", "--class", "file", "--state", "closed", "--norecurse", "--json", "--path", path)
        found = sorted(json.loads(listed), key=lambda item: item["describe"]["modified"])
        self.ids = {f"{path}/{item['describe']['name']}": f"{item['project']}:{item['id']}" for item in found}
        return [{"name": name, "type": "file", "size": None} for name in self.ids] if detail else list(self.ids)

    def put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        """Upload a file and wait until it is closed; an older one of its name goes."""
        dx("upload", lpath, "--path", rpath, "--wait", "--brief", "--no-progress")
        if rpath in self.ids:
            self.rm_file(rpath)

    def get_file(self, rpath: str, lpath: str, *_: Any, **__: Any) -> None:
        """Download a file."""
        dx("download", self.ids[rpath], "--output", lpath, "--overwrite", "--no-progress")

    def rm_file(self, path: str) -> None:
        """Remove a file of the project."""
        dx("rm", "--force", self.ids.pop(path))


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

"""Stands in for DNAnexus's command `dx`: the subcommands and options that are used here, nothing else.

The project is a folder, DX_STAND_IN: `raw` is what is mounted at /mnt/project, `objects.json` lists uploaded files,
whose content lies in `objects`. As on the platform two files may share a name, a file is told by its id, a folder has
to exist, and a file whose upload was cut off is open. Options were read off dxpy 0.417.1.
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import sys
import uuid
from pathlib import Path

PROJECT = "project-" + "0" * 24
FIRST_DAY = 1_700_000_000  # when the first file was uploaded, in s


def main() -> None:
    """Run one subcommand."""
    args = parser().parse_args()
    args.work(args)


def parser() -> argparse.ArgumentParser:
    """Return the command line of `dx`, as far as it is used."""
    whole = argparse.ArgumentParser("dx", allow_abbrev=False)
    commands = whole.add_subparsers(required=True)
    part = command(commands, "mkdir", mkdir)
    part.add_argument("-p", "--parents", action="store_true")
    part.add_argument("paths", nargs="+")
    part = command(command(commands, "find").add_subparsers(required=True), "data", find_data)
    part.add_argument("--class", dest="kind", choices=["file", "record"])
    part.add_argument("--state", choices=["open", "closing", "closed", "any"])
    part.add_argument("--name", default="*")
    part.add_argument("--path", default="/")
    part.add_argument("--norecurse", action="store_true")
    part.add_argument("--json", action="store_true")
    part.add_argument("--brief", action="store_true")
    part = command(commands, "upload", upload)
    part.add_argument("filename")
    part.add_argument("--path", "--destination", default="/")
    part.add_argument("-p", "--parents", action="store_true")
    for name in ("--wait", "--brief", "--no-progress"):
        part.add_argument(name, action="store_true")
    part = command(commands, "download", download)
    part.add_argument("path")
    part.add_argument("-o", "--output", required=True)
    part.add_argument("-f", "--overwrite", action="store_true")
    part.add_argument("--no-progress", action="store_true")
    part = command(commands, "rm", remove)
    part.add_argument("-f", "--force", action="store_true")
    part.add_argument("paths", nargs="+")
    part = command(commands, "extract_dataset", extract_dataset)
    part.add_argument("path")
    part.add_argument("--list-fields", action="store_true")
    part.add_argument("--fields-file", type=Path)
    part.add_argument("--delim", "--delimiter", nargs="?", default=",")
    part.add_argument("-o", "--output", type=Path)
    part = command(commands, "run", run)
    part.add_argument("executable", choices=["table-exporter"])
    part.add_argument("-i", "--input", action="append", default=[])
    part.add_argument("--destination", "--folder", default="/")
    part.add_argument("--instance-type")
    part.add_argument("--priority", choices=["low", "normal", "high"])
    for names in (["-y", "--yes"], ["--brief"], ["--wait"]):
        part.add_argument(*names, action="store_true")
    return whole


def command(commands, name: str, work=None) -> argparse.ArgumentParser:
    """Add a subcommand."""
    part = commands.add_parser(name, allow_abbrev=False)
    part.set_defaults(work=work)
    return part


def project() -> Path:
    """Return the folder that is the project."""
    return Path(os.environ["DX_STAND_IN"])


def read_state() -> dict:
    """Return the folders and the uploaded files."""
    path = project() / "objects.json"
    return json.loads(path.read_text()) if path.exists() else {"folders": ["/"], "files": []}


def write_state(state: dict) -> None:
    """Keep the folders and the uploaded files, whole even if the machine is taken away now."""
    unfinished = project() / "objects.json.unfinished"
    unfinished.write_text(json.dumps(state))
    unfinished.replace(project() / "objects.json")


def plain(path: str) -> str:
    """Return a path without the project."""
    name, colon, rest = path.rpartition(":")
    if colon and name not in ("", PROJECT):
        sys.exit(f"Could not find a project named {name}")
    return rest


def mkdir(args: argparse.Namespace) -> None:
    """Make folders."""
    state = read_state()
    for path in map(plain, args.paths):
        if path in state["folders"] and not args.parents:
            sys.exit(f"the folder {path} exists")
        state["folders"] += [path] if path not in state["folders"] else []
    write_state(state)


def raw_files() -> list[dict]:
    """Return UK Biobank's files and dataset as objects."""
    raw = project() / "raw"
    dataset = {"id": "record-" + "2" * 24, "name": "app99_20260101.dataset", "folder": "/", "state": "closed"}
    found = [{**dataset, "modified": 0}]
    for parent, _, names in os.walk(raw / "Bulk"):
        for name in names:
            path = Path(parent, name)
            digest = hashlib.sha256(str(path.relative_to(raw)).encode()).hexdigest()[:24]
            folder = "/" + path.parent.relative_to(raw).as_posix()
            found.append({"id": f"file-{digest}", "name": name, "folder": folder, "state": "closed", "modified": 0})
    return found


def find_data(args: argparse.Namespace) -> None:
    """List files as `dx find data` does."""
    folder, state = plain(args.path).rstrip("/") or "/", read_state()
    files = raw_files() + state["files"]
    known = {*state["folders"], *(file["folder"] for file in files)}
    if not any(name == folder or name.startswith(folder.rstrip("/") + "/") for name in known):
        sys.exit(f"ResourceNotFound: the folder {folder} could not be found")
    for file in files:
        below = file["folder"] == folder or (not args.norecurse and file["folder"].startswith(folder.rstrip("/") + "/"))
        kind = args.kind in (None, file["id"].split("-")[0])
        named = Path(file["name"]).match(args.name)
        file["shown"] = below and kind and named and args.state in (None, "any", file["state"])
    shown = [file for file in files if file.pop("shown")]
    if args.json:
        print(json.dumps([{"id": file["id"], "project": PROJECT, "describe": file} for file in shown], indent=4))
        return
    for file in shown:
        path = f"{file['folder'].rstrip('/')}/{file['name']}"
        brief, line = f"{PROJECT}:{file['id']}", f"closed  2023-11-05 12:11:00 517.68 KB {path} ({file['id']})"
        print(brief if args.brief else line)


def upload(args: argparse.Namespace) -> None:
    """Add a file, also beside one of its name."""
    path = plain(args.path)
    folder, _, name = path.rpartition("/")
    folder, name = folder or "/", name or Path(args.filename).name
    state = read_state()
    if folder not in state["folders"]:
        if not args.parents:
            sys.exit(f"ResourceNotFound: the folder {folder} could not be found")
        state["folders"].append(folder)
        write_state(state)
    print(add(Path(args.filename), folder, name))


def add(source: Path, folder: str, name: str) -> str:
    """Keep a file as an object and return its id."""
    state = read_state()
    file = {"id": f"file-{uuid.uuid4().hex[:24]}", "name": name, "folder": folder, "state": "closed"}
    (project() / "objects").mkdir(exist_ok=True)
    shutil.copyfile(source, project() / "objects" / file["id"])
    state["files"].append({**file, "modified": FIRST_DAY + len(state["files"])})
    write_state(state)
    return file["id"]


def mount_anew() -> None:
    """Put the uploaded files into `raw`, as a machine that starts now sees them, with their times."""
    for file in read_state()["files"]:
        path = project() / "raw" / file["folder"].strip("/") / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project() / "objects" / file["id"], path)
        os.utime(path, (file["modified"], file["modified"]))


def found(path: str) -> dict:
    """Return the one uploaded file of a path or an id."""
    path = plain(path)
    files = [file for file in read_state()["files"] if path in (file["id"], f"{file['folder']}/{file['name']}")]
    if len(files) != 1:
        sys.exit(f"{path}: {len(files)} files match")
    return files[0]


def download(args: argparse.Namespace) -> None:
    """Copy a file, as it is downloaded: with the time of now."""
    target, source = Path(args.output), found(args.path)
    if target.exists() and not args.overwrite:
        sys.exit(f"path {target} already exists but -f/--overwrite was not set")
    if source["state"] != "closed":
        sys.exit("InvalidState: the file is open")
    shutil.copyfile(project() / "objects" / source["id"], target)


def remove(args: argparse.Namespace) -> None:
    """Remove files."""
    gone = {found(path)["id"] for path in args.paths}
    state = read_state()
    state["files"] = [file for file in state["files"] if file["id"] not in gone]
    write_state(state)
    for name in gone:
        (project() / "objects" / name).unlink()


def table() -> list[list[str]]:
    """Return the rows of the project's dataset; its header has no entity."""
    with open(project() / "dataset.csv", newline="") as file:
        return list(csv.reader(file))


def extract_dataset(args: argparse.Namespace) -> None:
    """List the dataset's fields, or write some of them as a table."""
    rows = table()
    if args.list_fields:
        print("\n".join(f"participant.{name}\ttitle of {name}" for name in sorted(rows[0])))
        return
    if args.output.exists():
        sys.exit(f"{args.output} already exists")
    wanted = args.fields_file.read_text().split()
    write(args.output, rows, [name.removeprefix("participant.") for name in wanted], wanted)


def run(args: argparse.Namespace) -> None:
    """Run Table Exporter: the table becomes a file of the project."""
    given = dict(item.split("=", 1) for item in args.input)
    options = {"dataset_or_cohort_or_dashboard", "field_names_file_txt", "output", "coding_option", "entity"}
    if not args.yes or set(given) - options or given["coding_option"] != "RAW" or given["entity"] != "participant":
        sys.exit("table-exporter: this input is not known here")
    source = found(given["field_names_file_txt"])
    names = (project() / "objects" / source["id"]).read_text().split()
    exported = project() / "exported.csv"
    write(exported, table(), names, names)
    add(exported, plain(args.destination), f"{given['output']}.csv")
    print("job-" + "1" * 24)


def write(path: Path, rows: list[list[str]], names: list[str], header: list[str]) -> None:
    """Write columns of a table; a name that is not there is an error, as on the platform."""
    missing = [name for name in names if name not in rows[0]]
    if missing:
        sys.exit(f"The following fields cannot be found: {missing[:5]}")
    places = [rows[0].index(name) for name in names]
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [header, *([row[place] for place in places] for row in rows[1:])]
        )


if __name__ == "__main__":
    main()

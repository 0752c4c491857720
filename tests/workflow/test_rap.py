"""docs/rap.md: its commands run on machines like the platform's, one of which is taken away.

A machine is a process tree of its own with the project mounted read-only at /mnt/project, and a fresh clone.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dx_stand_in
import pytest
import yaml
from drive_snakemake import PARTS, ROOT, TINY, copy_repository, snakemake

from cmr2ecg.backup.contents import INCOMPLETE, record_of

PAGE = ROOT / "docs/rap.md"
CLUSTER = ROOT / "docs/cluster.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FOLDERS = {"ecg": "Electrocardiogram/Resting", "cmr": "Heart MRI/Short axis"}
SMALL = {
    "balance_subset": {"fractions": [100]},
    "finetune": {"encoders": ["mae"], "targets": ["cad"], "limits": {}, "seeds": [0], "job": "encoder"}
    | {"epochs": 1, "minimum_steps": 1},
    "probe": {"encoders": ["random"], "targets": ["cad"], "random_seeds": [0], "penalties": [1.0]},
    "train_tabular": {"targets": ["cad"], "seeds": [0], "rounds": 5},
    "sweep": {"encoders": []},
    "sweep_tabular": {"targets": []},
    "release": {"encoders": []},
    "make_table": {"tables": [1], "supplements": []},
    "make_figure": {"figures": [5], "quality_figures": ["exclusion_flow"]},
}
MOUNT = """
set -eo pipefail
mount -t tmpfs none /mnt
mkdir /mnt/project
mount --bind "$DX_STAND_IN/raw" /mnt/project
mount -o remount,ro,bind /mnt/project
if touch /mnt/project/probe 2>/dev/null; then echo "the mount can be written to"; exit 9; fi
"""


def blocks() -> list[str]:
    """Return the page's tried blocks."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def block(*words: str) -> str:
    """Return the one block that holds all these words."""
    (found,) = (text for text in blocks() if all(word in text for word in words))
    return found


@pytest.fixture(scope="module")
def unshare() -> list[str]:
    """The command that starts a machine; killing it kills all in it."""
    for rights in ([], ["--map-root-user"]):
        start = ["unshare", *rights, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if (
            shutil.which("unshare")
            and not subprocess.run([*start, "bash", "-c", "mount -t tmpfs none /mnt"]).returncode
        ):
            return start
    pytest.skip("this machine lets nobody mount a folder for a single process")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with the tiny cohort where UK Biobank's files lie, and its dataset."""
    folder = tmp_path_factory.mktemp("platform")
    made, project = folder / "simulated", folder / "project"
    copy_repository(made)
    done = snakemake(made, "--", "results/tiny/simulate_cohort/files.txt")
    assert done.returncode == 0, done.stderr
    simulated = made / "results/tiny/simulate_cohort"
    for kind, place in FOLDERS.items():
        for path in (simulated / "raw" / kind).iterdir():
            target = project / "raw/Bulk" / place / path.name[:2] / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o444)
    with open(simulated / "tabular.csv", newline="") as file:
        rows = list(csv.reader(file))
    with open(project / "dataset.csv", "w", newline="") as file:
        csv.writer(file).writerows(as_dataset(rows))
    shutil.copy(simulated / "withdrawn.csv", project)
    tool = project / "bin/dx"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/dx_stand_in.py "$@"\n')
    tool.chmod(0o755)
    return project


def as_dataset(rows: list[list[str]]) -> Iterator[list[str]]:
    """Yield ukbconv's table as a dataset's: other names, and the codes of a field in one cell."""
    lists = ("41270", "41202", "41204")
    single = [place for place, name in enumerate(rows[0]) if not name.startswith(tuple(f"{field}-" for field in lists))]
    yield [*(dataset_name(rows[0][place]) for place in single), *(f"p{field}" for field in lists)]
    for row in rows[1:]:
        joined = []
        for field in lists:
            codes = [cell for name, cell in zip(rows[0], row, strict=True) if name.startswith(f"{field}-") and cell]
            joined.append("|".join(codes))
        yield [*(row[place] for place in single), *joined]


def dataset_name(name: str) -> str:
    """Return p21003_i2 for 21003-2.0."""
    if name == "eid":
        return name
    field, instance, array = re.fullmatch(r"(\d+)-(\d+)\.(\d+)", name).groups()
    if field == "31":
        return "p31"
    if field in ("41280", "41262"):
        return f"p{field}_a{array}"
    return f"p{field}_i{instance}_a{array}" if field == "40002" else f"p{field}_i{instance}"


def fresh_clone(folder: Path) -> Path:
    """Copy the repository with the times of now, as git does."""
    for part in PARTS:
        copy = shutil.copy if (ROOT / part).is_file() else shutil.copytree
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        given = {} if copy is shutil.copy else {"copy_function": shutil.copy}
        copy(ROOT / part, folder / part, **given)
    return folder


def environment(project: Path, clone: Path) -> dict[str, str]:
    """Return what a machine's shell knows."""
    path = [str(project / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(clone / "src"),
        "DX_STAND_IN": str(project),
        "DX_PROJECT_CONTEXT_ID": dx_stand_in.PROJECT,
        "XDG_CACHE_HOME": str(clone / ".cache"),
        "OMP_NUM_THREADS": "1",
    }


class Machine:
    """A machine of the platform: the project as it is now, read-only, and a fresh clone."""

    def __init__(self, unshare: list[str], project: Path, clone: Path, monkeypatch) -> None:
        self.unshare, self.clone, self.environment = unshare, fresh_clone(clone), environment(project, clone)
        monkeypatch.setenv("DX_STAND_IN", str(project))
        dx_stand_in.mount_anew()

    def start(self, script: str) -> subprocess.Popen:
        """Start commands."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(
            [*self.unshare, "bash", "-c", MOUNT + script], cwd=self.clone, env=self.environment, **streams
        )

    def run(self, script: str) -> str:
        """Run commands and return what they print."""
        running = self.start(script)
        said = running.communicate(timeout=800)[0]
        assert running.returncode == 0, f"{script}\n{said[-6000:]}"
        return said


def raw_state(project: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below the mount."""
    paths = [path for path in (project / "raw/Bulk").rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def lists(project: Path) -> list[dict]:
    """Return the lists of the saves in the project, in order."""
    files = json.loads((project / "objects.json").read_text())["files"]
    saves = sorted((file["name"], file["id"]) for file in files if re.fullmatch(r"rap_\d+\.json", file["name"]))
    return [json.loads((project / "objects" / number).read_text())["files"] for _, number in saves]


def pretrain_for_ever(config: Path) -> None:
    """Let the pre-training of a machine never end."""
    settings = yaml.safe_load(config.read_text())
    settings["pretrain"]["mae"]["epochs"] = 1_000_000
    config.write_text(yaml.safe_dump(settings))


def wait_for(project: Path, name: str, running: subprocess.Popen) -> None:
    """Wait until a save holds a file of the results whose job has ended."""
    unfinished = record_of(name, INCOMPLETE)
    for _ in range(2400):
        if any(name in files and unfinished not in files for files in lists(project)):
            return
        assert running.poll() is None, running.stdout.read()[-6000:]
        time.sleep(0.1)
    raise AssertionError(f"no save holds {name}")


@pytest.mark.slow
@pytest.mark.long
def test_the_page_from_the_first_list_to_a_restored_run(unshare, project, tmp_path, monkeypatch):
    before = raw_state(project)
    prepared = Machine(unshare, project, tmp_path / "prepared", monkeypatch)
    (prepared.clone / "withdrawn.csv").write_text((project / "withdrawn.csv").read_text())
    said = prepared.run("".join(blocks()[:2]))
    assert re.search(r"[1-9]\d* ecg_files.txt", said) and re.search(r"[1-9]\d* cmr_files.txt", said)
    make_small(prepared.clone / "rap.yaml")
    prepared.run("".join(blocks()[2:4]))
    check_tables(prepared.clone, project)

    first = Machine(unshare, project, tmp_path / "first", monkeypatch)
    assert "pretrain_mae" in first.run(block("--dry-run", "cp /mnt"))
    (submit,) = re.findall(
        r"^snakemake .*profiles/slurm .*--dry-run$", CLUSTER.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert "rule clean_ecg" in first.run(submit.replace("config/ukb.yaml", "rap.yaml"))
    command = block("backup run").replace("--every 15", "--every 0.1")
    pretrain_for_ever(first.clone / "rap.yaml")  # however fast the machine is, it is taken away before this is done
    running = first.start(command)
    wait_for(project, "results/rap/assemble_dataset/dataset.h5", running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not (first.clone / "results/rap/pretrain_mae/mae/result.json").exists()
    saved = lists(project)[-1]
    shutil.rmtree(first.clone)

    second = Machine(unshare, project, tmp_path / "second", monkeypatch)
    said = second.run(block("cp /mnt") + command)
    assert re.search(r"save \d+ of rap is restored", said)
    kept = [path for path in saved if re.search(r"clean_ecg/\d\.h5|crop_cmr/\d\.h5|dataset\.h5", path)]
    assert len(kept) == 5
    for path in kept:
        assert (second.clone / path).stat().st_mtime_ns == saved[path]["mtime_ns"], path
    assert "rule assemble_dataset" not in said and "rule clean_ecg" not in said and "rule pretrain_mae" in said

    third = Machine(unshare, project, tmp_path / "third", monkeypatch)
    third.run(block("cp /mnt"))
    assert "Nothing to be done" in third.run(block("backup restore", "--dry-run"))
    third.run(block("--afresh"))
    assert len(lists(project)) == 1 and len(lists(project)[0]) > 100
    assert raw_state(project) == before

    show_what_has_to_travel(third, unshare, project, tmp_path, monkeypatch)


def make_small(path: Path) -> None:
    """Give the page's config the sizes of the tiny study."""
    tiny = yaml.safe_load((ROOT / TINY).read_text())
    del tiny["simulate_cohort"], tiny["cohort"]
    path.write_text(
        yaml.safe_dump(
            {**tiny, **{k: {**tiny.get(k, {}), **v} for k, v in SMALL.items()}, **yaml.safe_load(path.read_text())}
        )
    )


def check_tables(clone: Path, project: Path) -> None:
    """Both ways give the same cells, under the names that belong to each."""
    objects = json.loads((project / "objects.json").read_text())["files"]
    (exported,) = (file["id"] for file in objects if file["name"] == "tabular.csv")
    one = (project / "objects" / exported).read_text().splitlines()
    other = (clone / "tabular_extracted.csv").read_text().splitlines()
    assert one[0].startswith("eid,p") and other[0].startswith("participant.eid,participant.p")
    assert one[1:] == other[1:] and len(one) > 50


def show_what_has_to_travel(whole: Machine, unshare, project, tmp_path, monkeypatch) -> None:
    """The page's table: results alone, whose changes nobody would see, results and records with new times."""
    dry = "snakemake --dry-run --configfile rap.yaml"
    alone = Machine(unshare, project, tmp_path / "alone", monkeypatch)
    shutil.copy(whole.clone / "rap.yaml", alone.clone)
    shutil.copytree(whole.clone / "results", alone.clone / "results")
    said = alone.run(dry)
    assert "Nothing to be done" in said and "missing provenance/metadata" in said

    shutil.copytree(whole.clone / ".snakemake/metadata", alone.clone / ".snakemake/metadata", dirs_exist_ok=True)
    assert "Nothing to be done" in alone.run(dry)
    for path in sorted((alone.clone / "results").rglob("*.h5"), key=lambda path: path.name != "dataset.h5"):
        path.touch()
    said = alone.run(dry)
    assert "rule assemble_dataset" in said and "rule clean_ecg" not in said


def test_every_block_is_tried_and_no_place_is_a_link():
    assert len(blocks()) == 8
    text = PAGE.read_text(encoding="utf-8")
    for place in FOLDERS.values():
        assert f"/mnt/project/Bulk/{place}/" in text

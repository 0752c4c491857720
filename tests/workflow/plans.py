"""The plans of whole studies as Snakemake prints them, to compare before and after a change of the workflow.

    python tests/workflow/plans.py FOLDER        one JSON file a study: every job with its files, needs and command
    python tests/workflow/plans.py --write       the digests that test_plans.py compares with

A job here is all that `snakemake -n -p` says of it: rule, wildcards, files, resources and the command, with the
settings in it. Digests of code are no part of it.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
DIGESTS = Path(__file__).with_name("plans.json")
SUBJECTS = 40_044  # §IV-A
FIRST_EID = 9_000_001
# Study -> its config files, an overlay on top of them, further options. `{folder}` holds lists of raw files.
RAW = {
    "raw": {
        "ecg": ["{folder}/ecg.txt"],
        "cmr": ["{folder}/cmr.txt"],
        "tabular": ["{folder}/tabular.csv"],
        "withdrawn": ["{folder}/withdrawn.csv"],
    }
}
EVERY_ENCODER = ["supervised", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl"]
SLURM = ["--profile", str(ROOT / "profiles/slurm"), "--executor", "dryrun"]
STUDIES: dict[str, tuple[list[str], dict, list[str]]] = {
    "demo": (["demo"], {}, []),
    "study": (["study"], {}, []),
    "study_pilot": (["study", "study_pilot"], {}, []),
    "ecg_only": (["ecg_only"], {"raw": {**RAW["raw"], "cmr": [], "tabular": ["{folder}/ecg_only.csv"]}}, []),
    "authors": (["ukb", "authors"], RAW, []),
    "slurm": (["ukb"], RAW, SLURM),
    "paper": (["ukb"], {**RAW, "sweep": {"encoders": EVERY_ENCODER}}, []),
}
FIELD = re.compile(r"^    (\w+): (.*)$")
LETTERS = str.maketrans("0123456789", "ghijklmnop")  # seven digits in a row would look like a participant's id
UNTOLD = ("jobid", "reason", "tmpdir")


def plan(study: str, folder: Path) -> list[dict[str, object]]:
    """Return the jobs of a study in an order of their own.

    Args:
        study: a name of STUDIES.
        folder: empty; lists of made-up raw files are written there.

    Raises:
        RuntimeError: if Snakemake refuses the study; with what it printed.
    """
    names, overlay, options = STUDIES[study]
    eids = range(FIRST_EID, FIRST_EID + SUBJECTS)
    for kind, name in (("ecg", "20205_2_0.xml"), ("cmr", "20209_2_0.zip")):
        (folder / f"{kind}.txt").write_text("".join(f"{eid}_{name}\n" for eid in eids))
    for name in ("tabular", "withdrawn", "ecg_only"):
        (folder / f"{name}.csv").write_text("eid\n" if name != "withdrawn" else "")
    (folder / "overlay.yaml").write_text(json.dumps(overlay).replace("{folder}", str(folder)))
    files = [*(str(ROOT / f"config/{name}.yaml") for name in names), str(folder / "overlay.yaml")]
    command = ["-s", str(ROOT / "Snakefile"), "--directory", str(folder), "-n", "-p", "--cores", "16", "--configfile"]
    told = subprocess.run(
        [sys.executable, "-m", "snakemake", *command, *files, *options],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "XDG_CACHE_HOME": str(folder / ".cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    text = (told.stdout + told.stderr).replace(str(folder), "{folder}").replace(str(ROOT), "{clone}")
    if told.returncode:
        raise RuntimeError(text[-3000:])
    return sorted(jobs_in(text), key=lambda job: json.dumps(job, sort_keys=True))


def jobs_in(text: str) -> Iterator[dict[str, object]]:
    """Yield the jobs of what a dry run printed with its commands."""
    job: dict[str, object] | None = None
    for line in text.split("Job stats:", 1)[1].splitlines():
        line = line.removeprefix("    ") if line.startswith("        ") or line.startswith("    rule ") else line
        if line.startswith(("rule ", "localrule ")):
            job = {"rule": line.split()[1].rstrip(":")}
        elif job is not None and (field := FIELD.match(line)):
            name, value = field.groups()
            if name not in UNTOLD:
                job[name] = sorted(part for part in value.split(", ") if not part.startswith("tmpdir="))
        elif job is not None and line.strip().startswith("Shell command: "):
            yield {**job, "command": line.strip().removeprefix("Shell command: ")}
            job = None
        elif job is not None and not line.strip():
            yield job
            job = None


def digests(jobs: list[dict[str, object]]) -> dict[str, str]:
    """Return {rule: number of its jobs and a digest of them}."""
    rules: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        rules[str(job["rule"])].append(json.dumps(job, sort_keys=True))
    return {
        rule: f"{len(texts)} {hashlib.sha256(''.join(texts).encode()).hexdigest()[:12].translate(LETTERS)}"
        for rule, texts in sorted(rules.items())
    }


def main() -> None:
    """Write the plans of all studies, or their digests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    found = {}
    for study in STUDIES:
        with TemporaryDirectory() as folder:
            jobs = plan(study, Path(folder))
        found[study] = digests(jobs)
        print(f"{study}: {len(jobs):,} jobs")
        if args.folder:
            args.folder.mkdir(parents=True, exist_ok=True)
            (args.folder / f"{study}.json").write_text(json.dumps(jobs, indent=1, sort_keys=True) + "\n")
    if args.write:
        DIGESTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

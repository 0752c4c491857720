"""`snakemake` alone runs the demo on all cores, by either Snakefile; a profile of one's own keeps its cores."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The profile looks at the command line, so each is one of its own.
ASK = """
from snakemake.cli import parse_args
from snakemake.utils import available_cpu_count
args = parse_args(None)[1]
assert args.conda_not_block_search_path_envvars  # PYTHONPATH, by which jobs find the package
print(args.cores, available_cpu_count(), args.configfile)
"""


@pytest.mark.parametrize(
    ("arguments", "cores", "profile"),
    [
        ([], None, ""),
        (["--cores", "3"], 3, ""),
        (["--profile", "profiles/slurm"], 8, ""),
        (["--workflow-profile", "profiles/slurm"], 8, ""),
        ([], 8, "profiles/slurm"),
    ],
)
def test_cores(arguments, cores, profile):
    environment = {**os.environ, **({"SNAKEMAKE_PROFILE": profile} if profile else {})}
    command = [sys.executable, "-c", ASK, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    used, all_cores, *configs = done.stdout.split(maxsplit=2)
    assert int(used) == (cores or int(all_cores))
    assert ("config/demo.yaml" in configs[0]) == ("--workflow-profile" not in arguments)


def test_the_catalogues_snakefile_is_the_same_workflow(tmp_path):
    """The Snakemake workflow catalog wants workflow/Snakefile; it may be run, too."""
    plans = []
    for snakefile in ("Snakefile", "workflow/Snakefile"):
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / snakefile), "--dry-run", "--quiet", "rules"]
        command += ["--cores", "2", "--configfile", str(ROOT / "config/demo.yaml"), "--directory", str(tmp_path)]
        environment = os.environ | {"PYTHONSAFEPATH": "1"}
        plans.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    jobs = [re.findall(r"^(\w+) +(\d+)$", plan, flags=re.MULTILINE) for plan in plans]
    renamed = [("all" if name == "study" else name, count) for name, count in jobs[1]]
    assert sorted(renamed) == sorted(jobs[0]) and ("pretrain_mae", "1") in renamed

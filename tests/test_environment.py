"""One set of pins for every Python and machine, free licences, and clear words where a tool is missing."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from cmr2ecg import __version__

ROOT = Path(__file__).resolve().parent.parent


PLATFORMS = [
    {"sys_platform": system, "platform_system": name, "platform_machine": machine, "os_name": "posix"}
    for system, name, machine in [
        ("linux", "Linux", "x86_64"),
        ("linux", "Linux", "aarch64"),
        ("darwin", "Darwin", "arm64"),
    ]
]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "envs/requirements.txt").read_text()
# Licences that allow use inside an MIT package. Any other one (GPL, AGPL, none stated) needs a look first.
FREE = re.compile(
    r"(MIT|BSD|BSD-[23]-Clause|0BSD|Apache|PSF-2\.0|Python Software Foundation License|MPL-2\.0|Zlib|"
    r"CC0-1\.0|MIT-CMU|BSL-1\.0|Apache WITH LLVM-exception)"
)


def entries(text):
    """The pins of a lock file with their hashes."""
    found = []
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        first = entry.splitlines()[0].rstrip(" \\")
        found.append((Requirement(first), entry.count("--hash=sha256:")))
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted():
    """The packages that pyproject.toml names: of the core, of [train], of tests and style."""
    project = PROJECT["project"]
    names = [*project["dependencies"], *project["optional-dependencies"]["train"], *PROJECT["dependency-groups"]["dev"]]
    return {normal(Requirement(name).name) for name in names}


def test_every_pin_has_a_hash():
    assert len(entries(LOCK)) > 150 and all(hashes for _, hashes in entries(LOCK))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda at: f"{at['sys_platform']}-{at['platform_machine']}")
def test_each_machine_gets_one_version_of_everything_wanted(platform, python):
    where = platform | {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "implementation_name": "cpython",
    }
    here = [pin for pin, _ in entries(LOCK) if pin.marker is None or pin.marker.evaluate(where)]
    names = [normal(pin.name) for pin in here]
    assert len(set(names)) == len(names) and wanted() <= set(names)
    assert any(name.startswith("nvidia-") for name in names) == (platform["sys_platform"] == "linux")


def test_conda_has_the_pins_of_pip_but_for_tests_and_style():
    def pins(requirements):
        return {f"{requirement.name}{requirement.specifier}" for requirement in requirements}

    (listed,) = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())["dependencies"][-1].values()
    ours = pins(map(Requirement, listed))
    assert ours < pins(pin for pin, _ in entries(LOCK))
    names = {normal(Requirement(entry).name) for entry in listed}
    project = PROJECT["project"]
    runs = {normal(Requirement(name).name) for name in project["optional-dependencies"]["train"]}
    assert runs <= names and not {"pytest", "lightly", "python-gdcm", "ruff"} & names


def licence(name: str) -> set[str]:
    """What a package says of its licence, in parts: its SPDX expression, else its classifiers, else its word."""
    about = metadata.metadata(name)
    if about.get("License-Expression"):
        return set(re.split(r" (?:AND|OR) ", re.sub(r"[()]|(?<=Apache)-2\.0", "", about["License-Expression"])))
    classifiers = [text for text in about.get_all("Classifier", []) if text.startswith("License :: OSI Approved :: ")]
    stated = classifiers or [about.get("License", "").partition("\n")[0]]
    short = {"Apache Software License": "Apache", "MIT License": "MIT", "BSD License": "BSD"}
    names = [part for text in stated for part in text.rpartition(" :: ")[2].split(" AND ")]
    return {short.get(name, re.sub(r"^(MIT|BSD|Apache).*", r"\1", name)) for name in names}


def test_the_licences_of_all_direct_dependencies_are_free_and_listed():
    found = {name: licence(name) for name in sorted(wanted())}
    others = {name: parts for name, parts in found.items() if not parts or not all(map(FREE.fullmatch, parts))}
    assert not others
    section = (ROOT / "docs/installation.md").read_text().partition("\n## Licences")[2]
    listed = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", section, flags=re.MULTILINE)[1:]
    assert listed == [(name, ", ".join(sorted(parts))) for name, parts in found.items()]


def test_the_package_names_what_it_imports():
    """In the core or in [train]; what only a dependency brings may be gone with its next version."""
    project = PROJECT["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    named = {normal(Requirement(name).name) for name in named}
    trees = [ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"cmr2ecg"}
    packages = metadata.packages_distributions()
    assert len(outside) > 20
    assert not {name for name in outside if not named & set(map(normal, packages.get(name, [])))}


def make(*arguments: str) -> subprocess.CompletedProcess:
    command = ["make", "--silent", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_missing_python_is_one_clear_line():
    done = make("env", "PYTHON=python-of-nowhere", "VENV=/nonexistent/venv")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.strip().splitlines() if not re.match(r"make(\[\d+\])?: ", line)]
    assert line.startswith("cmr2ecg needs Python 3.11 or newer, and there is no python-of-nowhere")
    assert "TORCH=gpu: expected cpu or cuda" in make("env", "TORCH=gpu").stderr


@pytest.mark.slow
def test_the_environment_holds_the_command(tmp_path):
    """The script's own options, into a folder of the test in place of the environment."""
    (tmp_path / "clone").mkdir()
    options = re.search(r"options = (\(.*--editable.*\))", (ROOT / "envs/environment.py").read_text()).group(1)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    shutil.copytree(ROOT / "src", tmp_path / "clone/src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "-q", *ast.literal_eval(options), "--ignore-installed"]
    subprocess.run([*command, "--prefix", str(tmp_path / "prefix")], cwd=tmp_path / "clone", check=True)
    (paths,) = (tmp_path / "prefix").rglob("*.pth")
    assert paths.read_text().strip() == str(tmp_path / "clone/src")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "clone/src")}
    command = [tmp_path / "prefix/bin/cmr2ecg", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "cmr2ecg predict my_ecg.xml" in done.stdout


def test_what_pythonpath_names_goes_before_the_installed_package(tmp_path):
    code = "import sys, cmr2ecg.cli; print(cmr2ecg.cli.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(ROOT / "src/cmr2ecg/cli.py")


def test_a_lock_of_a_killed_snakemake_is_explained_with_the_command_that_removes_it(tmp_path):
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    said = "all:\n\t@$(LOCKED)\n"
    command = ["make", "--silent", "-f", "Makefile", "-f", "-", "all", "CONFIG=config/ukb.yaml"]
    run = {"cwd": tmp_path, "input": said, "capture_output": True, "text": True, "check": True}
    assert "run 'make unlock CONFIG=config/ukb.yaml' once" in subprocess.run(command, **run).stdout
    (tmp_path / ".snakemake/locks/0.input.lock").unlink()
    assert subprocess.run(command, **run).stdout == ""


def test_help_lists_the_targets():
    text = make("help").stdout
    assert all(name in text for name in ("demo", "test", "ui", "report", "lint", "bench"))


def test_every_place_states_the_same_version():
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE).group(1)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert heading == cited["version"] == __version__
    assert cited["license"] == PROJECT["project"]["license"] and cited["cff-version"] == "1.2.0"


def test_the_workflow_catalogue_finds_what_it_asks_for():
    catalogue = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(catalogue) == {"mandatory-flags", "software-stack-deployment", "report"}
    named = catalogue["mandatory-flags"]["flags"].split()[-1]
    assert all((ROOT / name).is_file() for name in ("workflow/Snakefile", "config/README.md", "LICENSE", named))


def test_pre_commit_runs_what_make_lint_runs():
    """The fixing forms of the same commands."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in hooks}
    recipe = re.search(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE).group(1)
    linted = {line.strip() for line in recipe.splitlines()}
    checked = {
        "ruff check --fix": "ruff check .",
        "ruff format": "ruff format --check .",
        "mypy": "mypy",
        "snakemake --lint": "snakemake --lint",
    }
    checked |= {"snakefmt": "snakefmt --check Snakefile workflow"}
    assert {checked[entry] for entry in entries} == linted


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_github_reads_its_files(path):
    """What a form or a workflow must have; a workflow may call only targets of the Makefile."""
    content = yaml.safe_load(path.read_text())
    if path.parent.name == "ISSUE_TEMPLATE":
        assert path.name == "config.yml" or {"name", "description", "body"} <= content.keys()
        return
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    steps = [step for job in content["jobs"].values() for step in job["steps"]]
    called = {word for step in steps for word in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    machines = content["jobs"]["tests"]["strategy"]["matrix"]["include"]
    assert called | {machine["tests"] for machine in machines} <= targets and "lint" in called
    assert {machine["python"] for machine in machines if machine["tests"] == "test"} >= {"3.11", "3.12", "3.13"}

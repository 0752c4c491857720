"""A config file that Snakemake would take silently, or answer with a traceback, is refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cmr2ecg.plan.jobs import study_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.config_file import check_named, read_config

ROOT = Path(__file__).resolve().parents[2]
START = "cohort: x\n"
BOMB = "".join(
    f"{key}: &{key} [{', '.join([before] * 10)}]\n"
    for key, before in zip("abcdefg", ["1", *(f"*{k}" for k in "abcdef")], strict=True)
)
BAD = {
    "template": (b"__use_yte__: true\ncohort: ?1 + 1\n", "would run Python code of the file"),
    "latin": (START.encode() + b"# caf\xe9\n", "line 2 is not UTF-8; save the file as UTF-8"),
    "utf16": ((START * 2).encode("utf-16"), "line 1 is not UTF-8"),
    "twice": (b"cohort: x\nshards: 2\ncohort: y\n", "line 3: the key cohort stands twice, first in line 1"),
    "twice_within": (b"finetune: {epochs: 2, epochs: 3}\n", "the key epochs stands twice"),
    "twice_as_text": (b"limits: {100: a, '100': b}\n", "the key 100 stands twice"),
    "json_twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key c stands twice"),
    "alias": (b"raw: &a {ecg: [*a]}\n", "line 1: an alias"),
    "bomb": (BOMB.encode(), "line 5: more than 100000 values"),
    "digits": (b"shards: " + b"9" * 400, "a number of 400 digits"),
    "json_digits": (b'{"shards": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    "hexadecimal": (b"shards: 0x" + b"f" * 400, "a number of 402 digits"),
    "deep": (b"a: " + b"[" * 200_000, "nested too deeply"),
    "json_deep": (b"[" * 200_000, "nested too deeply"),
    "tab": (b"a:\n\tb: 1\n", "line 2: found character"),
    "control": (b"a: \x01\n", "unacceptable character"),
    "date": (b"a: 2024-13-45\n", "month must be in 1..12"),
    "tag": (b"a: !!python/name:os.system\n", "line 1: could not determine a constructor"),
    "two_documents": (b"a: 1\n---\nb: 2\n", "line 2"),
    "no_map": (b"- a\n", "expected a map of settings"),
    "undefined": (b"a: *b\n", "line 1: found undefined alias"),
    "unhashable": (b"{[1]: 2}\n", "line 1: found unhashable key"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_that_names_file_and_place(tmp_path, name, caplog):
    content, said = BAD[name]
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300 + len(str(path))
    with pytest.raises(SystemExit):
        check_named(["snakemake", "-n", "--configfile", str(ROOT / "config/demo.yaml"), str(path), "--cores", "1"])
    (line,) = caplog.messages
    assert said in line


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match="name a config file that can be read"):
            read_config(path)


@pytest.mark.parametrize("path", [*sorted((ROOT / "config").glob("*.yaml")), ROOT / "tests/workflow/tiny.yaml"])
def test_good_files_are_read_as_yaml_reads_them(path):
    assert read_config(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_json_empty_files_and_merged_maps_are_read(tmp_path):
    path = tmp_path / "config"
    for text, settings in (
        ("", {}),
        ("\ufeffcohort: ü\n", {"cohort": "ü"}),
        ('{"a":\t1e-3}', {"a": 0.001}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
    ):
        path.write_text(text, encoding="utf-8")
        assert read_config(path) == settings


def test_snakemake_plan_and_make_say_it_before_anything_else(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("cohort: x\ncohort: y\n")
    said = f"error: {path}: line 2: the key cohort stands twice, first in line 1; drop one"
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[1:] == [said]
    with pytest.raises(InputError, match="stands twice"):
        study_of([path])
    recipe = subprocess.run(["make", "-n", "run", "CONFIG=config/ukb.yaml"], cwd=ROOT, capture_output=True, text=True)
    lines = recipe.stdout.splitlines()
    assert lines.index("python -m cmr2ecg.study.config_file config/ukb.yaml") < min(
        number for number, line in enumerate(lines) if line.startswith("snakemake ")
    )

"""Steps end with one line on bad input, and files appear whole or not at all."""

import json
import logging
import os
import subprocess
import sys

import pytest

from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic, sha256, write_json


@pytest.mark.parametrize("error", [InputError("raw.ecg is\n  empty"), FileNotFoundError("no split.csv")])
def test_bad_input_is_one_line_and_exit_code_one(error, caplog):
    def main(_argv):
        raise error

    with pytest.raises(SystemExit) as stopped, caplog.at_level(logging.ERROR):
        run(main)
    assert stopped.value.code == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("error: ") and "\n" not in record.getMessage()
    assert record.exc_info is None


def test_an_unexpected_error_keeps_its_traceback(caplog):
    def main(_argv):
        raise ZeroDivisionError

    with pytest.raises(SystemExit), caplog.at_level(logging.ERROR):
        run(main)
    assert caplog.records[0].exc_info is not None


def test_messages_go_to_the_log_and_only_warnings_to_the_terminal(tmp_path, capsys):
    args = step_parser("x").parse_args(["--log", str(tmp_path / "deep/x.log"), "--settings", '{"a": 1}'])
    assert args.settings == {"a": 1}
    start(args)
    logging.info("epoch 1")
    logging.warning("careful")
    assert (tmp_path / "deep/x.log").read_text() == "epoch 1\ncareful\n"
    assert capsys.readouterr().err == "careful\n"
    logging.basicConfig(force=True)


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new/x.json"
    write_json(path, {"a": [1, 2]})
    assert json.loads(path.read_text()) == {"a": [1, 2]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(KeyError), atomic(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert json.loads(path.read_text()) == {"a": [1, 2]}
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


def test_sha256_of_a_known_text(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("first", ["import numpy, scipy.linalg", "import torch, numpy, scipy.linalg"])
def test_every_library_keeps_to_the_threads(first):
    code = (
        f"{first}; from threadpoolctl import threadpool_info; from cmr2ecg.runtime.command import start, step_parser;"
        "start(step_parser('').parse_args(['--threads', '1']));"
        "print({pool['num_threads'] for pool in threadpool_info()})"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "{1}"

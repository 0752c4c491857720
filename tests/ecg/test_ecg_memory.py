"""Whatever an ECG file holds, reading it takes a bounded amount of memory: a small multiple of its size."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cmr2ecg.simulate.cardiosoft_xml import LEADS

TIMES, BESIDE = 30, 48_000_000  # times the file's size, and bytes, that may be taken beyond what Python itself has
HEAD = '<StripData><SampleRate units="Hz">500</SampleRate><Resolution units="uVperLsb">5</Resolution>'
PREFIX = "p" * 20_000


def with_samples(cells: str) -> str:
    leads = "".join(f'<WaveformData lead="{lead}">{cells}</WaveformData>' for lead in LEADS)
    return f"<CardiologyXML>{HEAD}{leads}</StripData></CardiologyXML>"


XML = {
    "a long namespace on many elements": f'<a xmlns="{"x" * 100_000}">{"<b/>" * 25_000}</a>',
    "a long namespace on many prefixed elements": f'<a xmlns:p="{"x" * 100_000}">{"<p:b/>" * 20_000}</a>',
    "a long namespace on many attributes": f'<a xmlns:p="{"x" * 100_000}" '
    + " ".join(f'p:a{i}=""' for i in range(20_000))
    + "/>",
    "a long prefix": f'<a xmlns:{PREFIX}="x">{f"<{PREFIX}:b/>" * 20}</a>',
    "many prefixes": "<a " + " ".join(f'xmlns:p{i}="{"x" * 20}"' for i in range(10_000)) + "/>",
    "many elements": f"<a><StripData>{'<b/>' * 40_000}</StripData></a>",
    "many attributes": f"<a>{HEAD}<b " + " ".join(f'a{i}=""' for i in range(40_000)) + "/></StripData></a>",
    "many texts": f"<a>{HEAD}{'<b/>x' * 40_000}</StripData></a>",
    "many names": f"<a>{''.join(f'<a{i}/>' for i in range(40_000))}</a>",
    "blank cells": with_samples("," * 40_000),
    "numbers apart by spaces": with_samples("1 " * 100_000),
    "white space alone": with_samples("\n" * 100_000),
    "a long number": with_samples("9" * 100_000),
    "a wide character": with_samples("1," * 20_000 + "\N{GRINNING FACE}"),
    "references": with_samples("&#49;," * 10_000),
}


def read_under_limit(paths: list[str]) -> None:
    """Run in a process of its own: prints what became of each file."""
    from cmr2ecg.ecg.read import read_ecg
    from cmr2ecg.raw.rejection import Rejection

    for path in paths:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        size = sum(file.stat().st_size for file in Path(path).parent.glob(Path(path).stem + ".*"))
        resource.setrlimit(resource.RLIMIT_AS, (used + TIMES * size + BESIDE, resource.RLIM_INFINITY))
        try:
            print("read", read_ecg(path).signal.shape)
        except Rejection as error:
            print(error.reason)
        except MemoryError:
            print("TOO MUCH")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to know a process's memory")
def test_memory_stays_a_small_multiple_of_the_file(tmp_path):
    paths = []
    for index, content in enumerate(XML.values()):
        paths.append(tmp_path / f"{index}.xml")
        paths[-1].write_text(content, encoding="utf-8")
    for form in (8, 212, 310):
        paths.append(tmp_path / f"w{form}.hea")
        lines = [f"w{form}.dat {form} 1/mV 16 0 0 0 0 {lead}" for lead in LEADS]
        paths[-1].write_text("\n".join(["w 12 500", *lines]))
        paths[-1].with_suffix(".dat").write_bytes(bytes(2_000_000))
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += f"from test_ecg_memory import read_under_limit; read_under_limit({[str(path) for path in paths]!r})"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = done.stdout.splitlines()
    assert len(told) == len(paths) and "TOO MUCH" not in told, dict(zip([*XML, 8, 212, 310], told, strict=False))
    assert told[-3:] == [f"read (12, {n})" for n in (166_666, 111_111, 125_000)]

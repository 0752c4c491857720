"""Whatever an ECG file holds, reading it takes a bounded amount of memory: a small multiple of its size."""

import re
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ecg.formats_written import aecg, assemble, base64_of, dicom, edf, muse, scp, sierra

from cmr2ecg.ecg.scp import _sections
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


def lzw_bomb() -> bytes:
    """Codes of the longest words that ten bits can name: 90 times as long as the codes, again and again."""
    codes = [65, *range(256, 1023), *[1022] * 60_000]
    bits = "".join(f"{code:010b}" for code in codes)
    chunk = int(bits[: len(bits) // 8 * 8], 2).to_bytes(len(bits) // 8)
    return struct.pack("<iHh", len(chunk), 0, 0) + chunk


def sierra_of(content: bytes) -> bytes:
    sound = sierra(np.zeros((12, 500), int), compressed=False).decode("utf-16").replace("Uncompressed", "XLI")
    return re.sub("(signalsigned=[^>]*>)[^<]*", lambda found: found[1] + base64_of(content), sound).encode("utf-16")


FLAT = np.zeros((12, 500), int)
LONG_LEAD = struct.pack("<IIB", 1, 200_000, 1)
ONE_BIT = struct.pack("<HHBB8H", 5000, 2000, 2, 0, *[65535] * 8) + bytes(8 * 65535)
MANY_BEATS = struct.pack("<HHH", 400, 1, 65535) + bytes(900_000)
OTHERS = {
    "a bomb in XLI": (".xml", lambda: sierra_of(lzw_bomb())),
    "many chunks of XLI": (".xml", lambda: sierra_of((struct.pack("<iHh", 5, 0, 0) + bytes(5)) * 50_000)),
    "many digits": (".xml", lambda: aecg(FLAT).replace(b"<digits>", b"<digits>" + b"1 " * 20_000)),
    "entities of MUSE": (".xml", lambda: muse(FLAT).replace(b"<WaveFormData>", b"<WaveFormData>&a;&b;")),
    "DICOM of empty items": (".dcm", lambda: dicom_start() + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 100_000),
    "DICOM of nested items": (".dcm", lambda: dicom_start() + nested(50_000)),
    "DICOM of empty elements": (".dcm", lambda: dicom_start() + struct.pack("<HH2sH", 8, 0, b"LO", 0) * 100_000),
    "SCP of long leads": (".scp", lambda: scp_of({3: struct.pack("<BB", 85, 4) + LONG_LEAD * 85})),
    "SCP of one-bit codes": (".scp", lambda: scp_of({3: struct.pack("<BB", 8, 4) + LONG_LEAD * 8, 6: ONE_BIT})),
    "SCP of many beats": (".scp", lambda: scp_of({3: struct.pack("<BB", 1, 5) + LONG_LEAD, 4: MANY_BEATS})),
    "EDF of many records": (".edf", lambda: edf(FLAT).replace(b"1       1       12  ", b"99999999" + b"1       12  ")),
    "EDF of many samples": (".edf", lambda: edf(FLAT).replace(b"500     ", b"99999999")),
    "EDF of many signals": (".edf", lambda: edf(FLAT)[:252] + b"9999" + edf(FLAT)[256:]),
    "EDF of no duration": (".edf", lambda: edf(FLAT)[:244] + b"1e-300  " + edf(FLAT)[252:]),
}


def dicom_start() -> bytes:
    """Up to the first item of the waveforms, whose sequence has no stated length."""
    content = dicom(FLAT)
    start = content.index(struct.pack("<HH2s", 0x5400, 0x0100, b"SQ"))
    return content[: start + 8] + b"\xff" * 4


def nested(depth: int) -> bytes:
    sequence = struct.pack("<HH2s2xI", 0x003A, 0x0200, b"SQ", 0xFFFFFFFF)
    return (struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + sequence) * depth


def scp_of(changes: dict[int, bytes]) -> bytes:
    return assemble(_sections(scp(FLAT)) | changes)


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
    for index, (ending, content) in enumerate(OTHERS.values()):
        paths.append(tmp_path / f"o{index}{ending}")
        paths[-1].write_bytes(content())
    for form in (8, 212, 310):
        paths.append(tmp_path / f"w{form}.hea")
        lines = [f"w{form}.dat {form} 1/mV 16 0 0 0 0 {lead}" for lead in LEADS]
        paths[-1].write_text("\n".join(["w 12 500", *lines]))
        paths[-1].with_suffix(".dat").write_bytes(bytes(2_000_000))
    here = Path(__file__).parent
    code = f"import sys; sys.path[:0] = {[str(here), str(here.parent)]!r}\n"
    code += f"from test_ecg_memory import read_under_limit; read_under_limit({[str(path) for path in paths]!r})"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = done.stdout.splitlines()
    became = dict(zip([*XML, *OTHERS, 8, 212, 310], told, strict=False))
    assert len(told) == len(paths) and "TOO MUCH" not in told, became
    assert [name for name in OTHERS if became[name].startswith("read")] == ["many digits"], became
    assert told[-3:] == [f"read (12, {n})" for n in (166_666, 111_111, 125_000)]

"""A csv or npy is read by the names and units it states, or refused with the line that is not understood."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.predict.bare import from_csv, from_npy
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.imports import SOURCE

RATE = 500.0
HERE = {"PYTHONPATH": str(SOURCE)}
ECG = np.round(np.random.default_rng(0).normal(0, 1, (12, 40)), 3)
ECG[0, 0] = 0.5  # a number below 1, which shows what a comma means
MIXED = [0, 11, 2, 3, 4, 5, 10, 7, 8, 9, 6, 1]  # chest leads exchanged, as the columns of some devices are
NAMES = [LEADS[k] for k in MIXED]


def table(cells=ECG[MIXED].T, head=NAMES, mark=",", index=None, decimal="."):
    lines = [] if head is None else [mark.join(head)]
    for number, row in enumerate(cells):
        texts = [repr(float(value)).replace(".", decimal) for value in row]
        lines.append(mark.join(texts if index is None else [index[number], *texts]))
    return "\n".join(lines) + "\n"


def named(text):
    return [text.format(name) for name in NAMES]


def seconds(step=0.002):
    return [f"{k * step:.4f}" for k in range(40)]


COUNT = [str(k) for k in range(40)]
PLAIN = table(ECG.T, None)
LOW = table(head=[name.lower() for name in NAMES])
TURNED = table(ECG[MIXED].T * np.where(np.array(NAMES) == "aVR", -1, 1))
COMMAS = table(mark=";", decimal=",")

READ = {
    "names": table(),
    "unit in brackets": table(head=named("{} (mV)")),
    "unit in other brackets": table(head=named("{} [mV]")),
    "unit after a line": table(head=named("{}_mV")),
    "microvolts": table(ECG[MIXED].T * 1000, named("{} (uV)")),
    "microvolts in Greek": table(ECG[MIXED].T * 1000, named("{}/µV")),
    "a unit each": table(ECG[MIXED].T * ([1000] * 6 + [1] * 6), [f"{n} ({'um'[k > 5]}V)" for k, n in enumerate(NAMES)]),
    "a line of units": table(ECG[MIXED].T * 1000).replace("\n", "\n" + ",".join(["uV"] * 12) + "\n", 1),
    "lower case": LOW,
    "upper case": table(head=[name.upper() for name in NAMES]),
    "lead in front": table(head=named("Lead {}")),
    "ECG in front": table(head=named("ECG Lead {}")),
    "quotes": table(head=named('"{}"')),
    "blanks around": table(head=named(" {} "), mark=", "),
    "inverted aVR": TURNED.replace("aVR", "-aVR"),
    "inverted Lead aVR": TURNED.replace("aVR", "Lead −aVR"),
    "byte order mark": "\ufeff" + table(),
    "comment": "# made by a device\n%\n" + table(),
    "empty lines about": "\n\n" + table() + "\n\n",
    "comment with the unit": "# unit: mV, sampling rate: 500 Hz\n" + table(),
    "names in a comment": "# " + table(),
    "windows": table().replace("\n", "\r\n"),
    "old mac": table().replace("\n", "\r"),
    "no last line end": table().rstrip(),
    "semicolons": table(mark=";"),
    "tabs": table(mark="\t"),
    "bars": table(mark="|"),
    "white space": table(mark="   "),
    "decimal commas": COMMAS,
    "quoted decimal commas": re.sub('[^;\n]+', r'"\g<0>"', COMMAS).replace(";", ","),
    "separator at the end": table().replace("\n", ",\n"),
    "separator at the end of numbers": table().replace("\n", ",\n").replace(",\n", "\n", 1),
    "index": table(head=["", *NAMES], index=COUNT),
    "index by R": table(head=NAMES, index=[f'"{k}"' for k in COUNT]),
    "seconds": table(head=["time (s)", *NAMES], index=seconds()),
    "milliseconds": table(head=["Time [ms]", *NAMES], index=seconds(2)),
    "time of no unit": table(head=["t", *NAMES], index=seconds()),
    "time that counts": table(head=["time", *NAMES], index=COUNT),
    "time of day": table(head=["time", *NAMES], index=["10:00:01"] * 40),
    "another column": table(head=["device", *NAMES], index=["GE"] * 40),
    "another lead": table(head=["V7", *NAMES], index=["9.9"] * 40),
    "lines of leads": table(ECG[MIXED], None, index=NAMES),
    "lines of leads in microvolts": table(ECG[MIXED] * 1000, None, index=named("{} (uV)")),
    "lines of leads below a count": table(ECG[MIXED], ["", *COUNT], index=NAMES),
    "lines of leads below a named count": table(ECG[MIXED], ["lead", *COUNT], index=NAMES),
    "lines of leads below times": table(ECG[MIXED], ["time", *seconds()], index=NAMES),
    "by place": PLAIN,
    "by place, turned": table(ECG, None),
    "by place below a count": table(ECG.T, COUNT[:12]),
    "by place below a count from 1": table(ECG.T, COUNT[1:13]),
    "by place with an index": table(ECG.T, None, index=COUNT),
    "by place, pandas": pd.DataFrame(ECG.T).to_csv(),
    "by place, turned, pandas": pd.DataFrame(ECG).to_csv(),
    "by place, turned, with an index": table(ECG, None, index=COUNT[:12]),
    "by place with times": table(ECG.T, None, index=seconds()),
    "by place, separator at the end": PLAIN.replace("\n", ",\n"),
}  # fmt: skip


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_a_csv_is_read_right(text):
    signal, missing = from_csv(text.encode(), RATE, None)
    np.testing.assert_allclose(signal, ECG, atol=1e-9)
    assert missing == ()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_read_right(encoding):
    signal, _ = from_csv(table(ECG[MIXED].T * 1000, named("{} (µV)")).encode(encoding), RATE, None)
    np.testing.assert_allclose(signal, ECG, atol=1e-9)


def test_the_users_unit_counts_where_none_is_stated():
    np.testing.assert_allclose(from_csv(table(ECG[MIXED].T * 1000).encode(), RATE, "uV")[0], ECG, atol=1e-9)
    np.testing.assert_allclose(from_csv((PLAIN).encode(), RATE, "uV")[0], ECG / 1000, atol=1e-9)
    head = table(head=named("{} (mV)")).encode()
    np.testing.assert_allclose(from_csv(head, RATE, "mV")[0], ECG, atol=1e-9)


def test_blank_cells_and_absent_limb_leads_are_told():
    lines = table().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[1], "", 1)
    lines[4] = lines[4].replace(lines[4].split(",")[0], "NA", 1)
    signal, _ = from_csv("\n".join(lines).encode(), RATE, None)
    assert np.argwhere(np.isnan(signal)).tolist() == [[0, 3], [11, 2]]
    kept = [k for k, name in enumerate(NAMES) if name not in ("III", "aVL")]
    text = table(ECG[MIXED][kept].T, [NAMES[k] for k in kept])
    assert from_csv(text.encode(), RATE, None)[1] == ("III", "aVL")


REFUSED = {
    "a title": ("ECG of somebody\n" + table(), "line 1 is not understood: 'ECG of somebody'"),
    "a title with a comma": ("Name, Doe\n" + table(), "line 1 is not understood"),
    "names of nothing": (table(head=[f"ch{k}" for k in range(12)]), "line 1 is not understood"),
    "names of nothing in lines": (table(ECG, None, index=[f"ch{k}" for k in range(12)]), "line 1 is not understood"),
    "R's names": (table(head=[f"V{k}" for k in range(1, 13)]), "missing lead"),
    "header twice": (table().replace("\n", "\n" + ",".join(NAMES) + "\n", 1), "line 2: 'I' is not a number"),
    "header in the middle": (table() + table(), "line 42: 'I' is not a number"),
    "a lead twice": (table(head=["I", *NAMES[1:-1], "i"]), "a lead is named twice"),
    "a line without a name": (table(ECG[MIXED], None, index=[*NAMES[:-1], "3"]), "line 12 has no lead's name"),
    "a unit that is none": (table(head=named("{} (adu)")), r"unit not understood: I \(adu\)"),
    "a unit for some": (table(head=["I (mV)", *NAMES[1:]]), "only some leads state one"),
    "a comment of another unit": ("# in uV\n" + table(), "line 1 says uV, --unit mV"),
    "a comment of another rate": ("# sampling rate: 250 Hz\n" + table(), "line 1 says 250, --rate 500"),
    "times of another rate": (table(head=["time (s)", *NAMES], index=seconds(0.004)), "0.004 apart, --rate 500"),
    "times of another rate by place": (table(ECG.T, None, index=seconds(0.004)), "times are 0.004 apart"),
    "times in another unit": (table(head=["time (ms)", *NAMES], index=seconds()), "times are 0.002 apart"),
    "times for a lead": (table(ECG[:11].T, None, index=seconds()), "times or an index, and 11 leads"),
    "inverted other lead": (table(head=["-V1" if n == "V1" else n for n in NAMES]), "missing lead: V1"),
    "11 cells in a line": (PLAIN + "1,2,3\n", "line 41 has 3 cells, others 12"),
    "11 cells in a named line": (table() + "1,2,3\n", "line 42 has 3 cells, others 12"),
    "an empty line": (PLAIN.replace("\n", "\n\n", 1), "line 2 is empty"),
    "thousands": (table(np.full((40, 12), 1.234), mark=";", decimal=","), "decimals or thousands"),
    "both marks": (table(mark=";", decimal=",").replace(",", ".", 1), "decimals or thousands"),
    "decimal commas between commas": (table(ECG.T, None, decimal=","), "not 12 leads"),
    "other digits": (PLAIN.replace("1", "١"), "line 1"),
    "digits in groups": (PLAIN.replace("0.", "1_0.", 1), "line 1"),
    "one number": ("1\n", "not 12 leads"),
    "only names": (table().split("\n")[0], "no line of numbers"),
    "nothing": ("", "empty file"),
    "more cells than any record": (",".join("0" * 200_100), "more than 200002 cells"),
    "a zero byte": (PLAIN.replace("0", "\0", 1), "line 1"),
    "a cell of absurd length": (table() + "9" * 200_000, "line 42|field larger"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_a_csv_that_is_not_understood_is_refused_with_its_place(text, words):
    with pytest.raises(Rejection) as refused:
        from_csv(text.encode(), RATE, None)
    said = f"{refused.value.reason}: {refused.value.detail}"
    assert re.search(words, said), said
    assert len(said) < 120 and "\n" not in said


def test_the_users_unit_may_not_contradict_the_header():
    with pytest.raises(Rejection) as refused:
        from_csv(table(head=named("{} (uV)")).encode(), RATE, "mV")
    assert "another than --unit mV" in refused.value.detail


def npy(value, **options):
    file = io.BytesIO()
    np.save(file, value, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "i2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_of_real_numbers_is_read(kind, order):
    value = np.arange(480).reshape(12, 40) % 200
    for turned in (value, value.T):
        signal, _ = from_npy(npy(turned.astype(kind, order=order)), "uV")
        np.testing.assert_allclose(signal, value / 1000)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(ECG + 1j), "complex128"),
        (npy(ECG.astype("datetime64[s]")), "datetime64"),
        (npy(ECG.astype("timedelta64[s]")), "timedelta64"),
        (npy(ECG.astype(str)), "of kind"),
        (npy(ECG > 0), "bool"),
        (npy(np.zeros(40, [(name, "f8") for name in LEADS])), "of kind"),
        (npy(ECG) + npy(ECG), "more than one array"),
        (npy(ECG)[:-1], "truncated"),
        (npy(ECG[None]), "1 x 12 x 40"),
        (npy(ECG).replace(b"(12, 40)", b"(12, -4)"), "not an array|truncated|not 12"),
        (npy(ECG).replace(b"(12, 40), ", b"(12, 10**9"), "not an array"),
        (b"PK\x03\x04", "not an array"),
        (b"", "not an array"),
    ],
)
def test_an_npy_of_anything_else_is_refused(content, words):
    with pytest.raises(Rejection) as refused:
        from_npy(content, None)
    assert re.search(words, f"{refused.value.reason}: {refused.value.detail}")


BIG = """
import resource, sys
from cmr2ecg.predict.bare import from_csv
from cmr2ecg.raw.rejection import Rejection
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
lines = {
    "numbers": b"0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0,1.1,1.2\\n", "digits": b"0\\n", "cells": b"0,", "names": b"I,",
    "comments": b"#\\n", "comment": b"#", "empty": b"\\n", "blank": b" ", "quotes": b'"',
    "wide": b"\\xf0\\x9f\\x98\\x80",
}
for line in lines.values():
    content = line * (10_000_000 // len(line))
    resource.setrlimit(resource.RLIMIT_AS, (held + 6 * len(content), resource.RLIM_INFINITY))
    try:
        print(from_csv(content, 500.0, None)[0].shape)
    except Rejection as error:
        print(error.reason)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_a_small_multiple_of_the_file():
    done = subprocess.run([sys.executable, "-c", BIG], env=os.environ | HERE, capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr[-300:]
    assert said[0] == "record too long" and len(said) == 10

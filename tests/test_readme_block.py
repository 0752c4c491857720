"""README.md: its block is the demo's tables, and what the release says of an ECG."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "docs"))
import pages

RISK = {"risk": 0.1234, "std": 0.01, "prevalence": 0.3}
VOLUME = {"value": 147.04, "low": 89.0, "high": 205.0, "unit": "mL"}
RETRIEVAL = {"n": 320, "value": 0.13125, "chance": 0.03125, "null_low": 0.015625, "null_high": 0.053125}
SAID = {"risks": {"cad": RISK}, "phenotypes": dict.fromkeys(("LVEDV", "LVEF", "RVEDV", "WT_Global"), VOLUME)}


def test_the_block_holds_tables_and_the_prediction_and_has_its_place():
    values = {"table": "table {}".format, "command": "predict x", "messages": "1 of 1", "said": SAID}
    values |= {"headline": "MMCL above", "retrieval": RETRIEVAL}
    block = pages.rendered("README.md", "demo", values)
    lines = block.splitlines()
    assert [line for line in lines if line.startswith("table")] == ["table 1", "table 4"]
    assert lines[2:5] == ["```", "MMCL above", "```"]
    assert any("13.1% find" in line for line in lines) and any("1.6% to 5.3%" in line for line in lines)
    begin = lines.index("```", 5)
    assert lines[begin + 1 : begin + 5] == [
        "$ cmr2ecg predict x",
        "1 of 1",
        "",
        "cad     12.3% +- 1.0% over the seeds (prevalence 30.0%)",
    ]
    assert lines[begin + 8 : begin + 10] == ["WT_Global  147.0 [89.0, 205.0] mL", "```"]
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n\n{block}\n\n<!-- end of demo -->" in pages.replaced(text, "demo", block)

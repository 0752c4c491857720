"""What each training cost and ran on, from its result.json."""

import json
from pathlib import Path
from typing import Any

COST_COLUMNS = ["step", "name", "wall_seconds", "peak_memory_mb", "parameters", "learning_rate", "device", "precision"]


def cost_of(path: Path) -> dict[str, Any]:
    """Return COST_COLUMNS of one training."""
    result = json.loads(path.read_text())
    known = {**result, **result["provenance"]}
    return {name: known.get(name) for name in COST_COLUMNS}


def versions_of(path: Path) -> dict[str, str]:
    """Return {package: version} of one training, with python and cmr2ecg's commit."""
    origin = json.loads(path.read_text())["provenance"]
    own = {"cmr2ecg (commit)": origin["commit"], "python": origin.get("python", "unknown")}
    return {**origin["packages"], **own}

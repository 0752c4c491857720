"""The paper's settings, for benchmarks and tests that run at the paper's strengths."""

import yaml

from cmr2ecg.runtime.imports import SOURCE


def paper_settings() -> dict:
    """Return config/paper.yaml."""
    return yaml.safe_load((SOURCE.parent / "config/paper.yaml").read_text())

"""The paper's settings, for tests and benchmarks that run at the paper's strengths and sizes."""

import yaml

from cmr2ecg.runtime.imports import SOURCE


def paper_settings() -> dict:
    """Return config/paper.yaml."""
    return yaml.safe_load((SOURCE.parent / "config/paper.yaml").read_text())

"""The exclusion flow: the number of subjects excluded for each reason (as in a CONSORT diagram)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cmr2ecg.runtime.files import atomic

log = logging.getLogger(__name__)

COLUMNS = ["step", "reason", "n_in", "n_out"]
PRETRAINED_ON = "for pre-trainings alone"  # reason for ECGs without a label
KEPT = ", ECG kept for masked modelling"  # suffix of the reason for subjects moved to unpaired.h5


@dataclass
class Flow:
    """Rows of (step, reason, n_in, n_out), each continuing the count of the previous one.

    A reason excludes n_in - n_out subjects.
    """

    remaining: int
    rows: list[tuple[str, str, int, int]] = field(default_factory=list)

    def exclude(self, step: str, reason: str, count: int) -> None:
        """Note that `count` subjects leave for `reason`.

        Raises:
            ValueError: if more leave than remain.
        """
        if not 0 <= count <= self.remaining:
            raise ValueError(f"{count} of {self.remaining} subjects cannot leave for {reason!r}")
        self.rows.append((step, reason, self.remaining, self.remaining - count))
        self.remaining -= count

    def table(self) -> pd.DataFrame:
        """Return the rows as a table with columns step, reason, n_in, n_out."""
        return pd.DataFrame(self.rows, columns=COLUMNS)


def add_flows(flows: Sequence[Flow]) -> Flow:
    """Return the sum of flows with the same rows, such as those of all shards.

    Raises:
        ValueError: if their steps or reasons differ.
    """
    if len({tuple(row[:2] for row in flow.rows) for flow in flows}) != 1:
        raise ValueError("flows with different rows cannot be added")
    rows = [
        (*parts[0][:2], sum(p[2] for p in parts), sum(p[3] for p in parts))
        for parts in zip(*(f.rows for f in flows), strict=True)
    ]
    return Flow(sum(flow.remaining for flow in flows), rows)


def read_flow(path: Path) -> Flow:
    """Read a flow.csv to continue it."""
    rows = [tuple(row) for row in pd.read_csv(path)[COLUMNS].itertuples(index=False)]
    return Flow(int(rows[-1][3]), rows)


def write_flow(path: Path, flow: Flow) -> None:
    """Write flow.csv and log it."""
    with atomic(path) as partial:
        flow.table().to_csv(partial, index=False)
    for step, reason, n_in, n_out in flow.rows:
        log.info("%s: %d -> %d (%s)", step, n_in, n_out, reason)

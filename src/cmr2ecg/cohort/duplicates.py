"""Find recordings that two subjects share: the same samples, or the same up to noise.

One pass over the data keeps a digest and a short sketch of each recording, about 1 kB per subject; only pairs with
similar sketches are read again and compared sample by sample.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cmr2ecg.runtime.progress import Progress

SKETCH = 256  # numbers per recording; they preserve a squared distance within 9 % (one standard deviation)
SLACK = 2.0  # candidates have up to this many times the threshold's squared distance: eleven standard deviations
ROWS = 64  # recordings read at a time
BLOCK = 2048  # sketches compared at a time, 16 MB
SEED = 2023

Read = Callable[[np.ndarray], np.ndarray]  # sorted row numbers -> recordings, one per row


@dataclass(frozen=True)
class Scan:
    """Result of one pass over n recordings.

    digests: n SHA-256 values.
    sketches: (n, SKETCH) float32 of the centred recordings scaled to length 1; 0 where a recording is constant.
    """

    digests: list[bytes]
    sketches: np.ndarray


def scan_recordings(read: Read, count: int, label: str) -> Scan:
    """Read `count` recordings once and return their digests and sketches.

    A sketch sums the samples in SKETCH groups with random signs, a random projection in one pass
    (Charikar, Chen and Farach-Colton 2002) that preserves inner products and distances up to noise.
    """
    digests: list[bytes] = []
    sketches = np.zeros((count, SKETCH), np.float32)
    signs = None
    progress = Progress(label, count)
    for start in range(0, count, ROWS):
        block = read(np.arange(start, min(start + ROWS, count)))
        block = np.ascontiguousarray(block.reshape(len(block), -1))
        digests += [hashlib.sha256(row).digest() for row in block]
        if signs is None:
            signs = np.random.default_rng(SEED).choice(np.array([-1, 1], np.float32), block.shape[1])
        sketches[start : start + len(block)] = _sketch(centred(block), signs)
        for _ in block:
            progress.step()
    progress.close()
    return Scan(digests, sketches)


def centred(block: np.ndarray) -> np.ndarray:
    """Return recordings (n, samples) as float32 with mean 0 and length 1; a constant one becomes 0."""
    block = block.astype(np.float32)
    block -= block.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", block, block))[:, None]
    return np.divide(block, length, out=np.zeros_like(block), where=length > 1e-6 * np.sqrt(block.shape[1]))


def duplicate_groups(scan: Scan, read: Read, correlation: float) -> list[tuple[str, list[int]]]:
    """Return groups of rows that share a recording: ("identical" or "correlated", rows), in order of the first row.

    Args:
        scan: of all recordings.
        read: the same recordings; only candidates are read again.
        correlation: Pearson's, over all samples, above which two recordings count as the same.
    """
    parent = list(range(len(scan.digests)))
    first: dict[bytes, int] = {}
    for row, digest in enumerate(scan.digests):
        parent[row] = first.setdefault(digest, row)
    kinds = np.array(sorted(first.values()))
    correlated = set()
    for one, two in _near(scan.sketches[kinds], correlation):
        a, b = _root(parent, int(kinds[one])), _root(parent, int(kinds[two]))
        if a != b and _correlation(read, int(kinds[one]), int(kinds[two])) >= correlation:
            parent[max(a, b)] = min(a, b)
            correlated.add(min(a, b))
    groups: dict[int, list[int]] = {}
    for row in range(len(parent)):
        groups.setdefault(_root(parent, row), []).append(row)
    roots = {_root(parent, row) for row in correlated}
    return [
        ("correlated" if root in roots else "identical", rows) for root, rows in sorted(groups.items()) if len(rows) > 1
    ]


def _sketch(block: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return (n, SKETCH): sample i is added with its sign to group i modulo SKETCH."""
    signed = block * signs
    whole = signed.shape[1] // SKETCH * SKETCH
    sketch = signed[:, :whole].reshape(len(block), -1, SKETCH).sum(axis=1)
    sketch[:, : signed.shape[1] - whole] += signed[:, whole:]
    return sketch


def _near(sketches: np.ndarray, correlation: float) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows that may correlate: |x - y|^2 = 2 (1 - r) for recordings of length 1."""
    limit = SLACK * 2 * (1 - correlation) + 1e-5  # the last for float32's rounding
    lengths = np.einsum("ij,ij->i", sketches, sketches)
    used = np.flatnonzero(lengths > 0)
    for i in range(0, len(used), BLOCK):
        rows = used[i : i + BLOCK]
        for j in range(i, len(used), BLOCK):
            columns = used[j : j + BLOCK]
            distance = lengths[rows, None] + lengths[columns] - 2 * sketches[rows] @ sketches[columns].T
            for a, b in np.argwhere(distance <= limit):
                if rows[a] < columns[b]:
                    yield int(rows[a]), int(columns[b])


def _correlation(read: Read, one: int, two: int) -> float:
    low, high = centred(read(np.array([one, two])).reshape(2, -1))
    return float(low.astype(np.float64) @ high)


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row

"""Read one epoch of the training subjects' ECGs and images from dataset.h5 as a training does, and say how fast."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData, in_turn


def main(argv: Sequence[str] | None = None) -> None:
    """Print subjects, seconds and GB/s as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--memory-mb", type=float, default=400)
    parser.add_argument("--output", type=Path, help="JSON file")
    args = parser.parse_args(argv)
    data = PairedData(args.dataset, split_eids(args.split, "train"), ("ecg", "cmr"), memory_mb=args.memory_mb)
    order = np.random.default_rng(0).permutation(len(data))
    pieces = [order[piece] for piece in in_turn(len(data), args.batch)]
    begin, size = time.perf_counter(), 0
    for batch in data.batches(pieces):
        size += sum(values.numel() * values.element_size() for values in batch.values())
    seconds = time.perf_counter() - begin
    found = {
        "subjects": len(data),
        "seconds": seconds,
        "gb_per_s": size / seconds / 1e9,
        "streamed": data.memory is None,
    }
    text = json.dumps(found)
    sys.stdout.write(text + "\n")
    if args.output:
        args.output.write_text(text)


if __name__ == "__main__":
    main()

"""Read one epoch of the training subjects' ECGs and images from dataset.h5 as a training does, and write how fast.

python -m bench.stream DATASET SPLIT BATCH MEMORY_MB OUTPUT
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData, in_turn

if __name__ == "__main__":
    dataset, split, batch, memory_mb, output = sys.argv[1:]
    data = PairedData(Path(dataset), split_eids(Path(split), "train"), ("ecg", "cmr"), memory_mb=float(memory_mb))
    order = np.random.default_rng(0).permutation(len(data))
    begin, size = time.perf_counter(), 0
    for values in data.batches([order[piece] for piece in in_turn(len(data), int(batch))]):
        size += sum(value.numel() * value.element_size() for value in values.values())
    seconds = time.perf_counter() - begin
    found = {"subjects": len(data), "seconds": seconds, "gb_per_s": size / seconds / 1e9}
    Path(output).write_text(json.dumps({**found, "streamed": data.memory is None}))

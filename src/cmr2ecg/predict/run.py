"""From files to predictions: separate processes read files, the networks run in threads, one per core."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.predict.pool import Processes, WorkerDied, load, prefetch, start_pool
from cmr2ecg.predict.records import PAGES, RESULTS, Record, Source, cleaned_of, in_one_line, usable
from cmr2ecg.predict.release import EMBEDDING, SUMS, check_sums, read_config, read_release
from cmr2ecg.predict.unfinished import make_folder, open_unfinished, remove_partials
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import sha256
from cmr2ecg.runtime.imports import code_digest
from cmr2ecg.runtime.progress import Progress

log = logging.getLogger(__name__)
GRAPH, ENCODER_GRAPH = "model.onnx", "embedding.onnx"
READING = "cmr2ecg.predict.reading"
Networks = Callable[[np.ndarray], Any]  # cleaned ECGs to each target's (seeds, n, outputs), or to embeddings (n, dim)
Answer = tuple[list[Record], Any]  # a batch and the networks' outputs for its usable records, in order
BATCH = 16  # ECGs; no gain from more on a CPU
PREFETCH = 64  # files read ahead of the networks, per process


@dataclass
class Clock:
    """Timing.

    `forward` is the processor time of the networks for `ecgs` ECGs, not affected by concurrent reading.
    """

    workers: int
    started: float = field(default_factory=time.monotonic)
    ready: float = 0.0  # when the first file was handed out
    files: int = 0  # handed out
    forward: float = 0.0
    ecgs: int = 0

    def report(self) -> str:
        """Return the rates as text."""
        now, files = time.monotonic(), self.files
        named = f"{files} file{'s' * (files != 1)}"
        text = f"{named} in {now - self.started:.1f} s: {files / (now - self.started):.1f} a second, start and reading"
        text += f" included; {files / (now - self.ready):.1f} once started"
        if self.forward:
            text += f"; the networks alone: {self.workers * self.ecgs / self.forward:.1f} a second"
        return text


def predict_files(
    files: Sequence[Path],
    folder: Path,
    out: Path,
    source: Source,
    *,
    prevalences: Sequence[str],
    pages: str,
    threads: int,
) -> tuple[int, Clock]:
    """Write predictions.json, predictions.csv and, unless `pages` is "none", one page per ECG below `out`.

    Args:
        files: to read.
        folder: of the release.
        out: folder to write.
        source: how files are read.
        prevalences: texts such as cad=0.07.
        pages: "pdf", "png", "both" or "none".
        threads: cores used.

    Returns:
        The number of usable files, and the timing.
    """
    kinds = {"none": (), "both": ("pdf", "png")}.get(pages, (pages,))
    make_folder(out, out, *((out / PAGES,) if kinds else ()))
    clock = Clock(threads)
    with start_pool(threads, READING) as pool, ThreadPoolExecutor(threads) as workers:
        networks = workers.submit(load_networks, folder)
        from cmr2ecg.predict import calibrate, output, results  # while processes and networks start

        config = read_config(folder)
        targets = config["targets"]
        wanted = calibrate.check_prevalences(prevalences, [name for name in targets if "calibration" in targets[name]])
        about = about_command(folder, source) | {"prevalences": wanted, "pages": kinds}
        with open_unfinished(out / f".{RESULTS}.unfinished", about) as finished:
            remove_partials(out, f".{RESULTS}.")
            remove_partials(out / PAGES, ".")
            kept = output.Predictions(out, config, files, kinds, finished)
            records = handed_out(kept.rest, replace(source, keep_signal=bool(kinds)), pool, clock)
            with output.written_at_the_end(kept.write, finished):
                for batch, outputs in answered(records, networks.result(), workers, clock):
                    said = iter(results.describe(targets, outputs, wanted) if usable(batch) else ())
                    for record in batch:
                        kept.add(record, None if record.reason else next(said), pool, 8 * threads)
                    finished.renew(kept.write)
                kept.note()
    return kept.done, clock


def embed_files(files: Sequence[Path], folder: Path, out: Path, source: Source, threads: int) -> tuple[int, Clock]:
    """Write the embeddings of all readable files to `out` (.parquet or .h5); return their number and the time."""
    make_folder(out, out.parent)
    clock = Clock(threads)
    with start_pool(threads, READING) as pool, ThreadPoolExecutor(threads) as workers:
        encoder = workers.submit(load_encoder, folder)
        from cmr2ecg.predict import output

        with open_unfinished(out.with_name(f".{out.name}.unfinished"), about_command(folder, source)) as finished:
            remove_partials(out.parent, f".{out.name}.")
            kept = output.Embeddings(out, files, finished)
            records = handed_out(kept.rest, replace(source, keep_signal=False), pool, clock)
            with output.written_at_the_end(kept.write, finished):
                for batch, values in answered(records, encoder.result(), workers, clock):
                    for record, row in zip(usable(batch), values if usable(batch) else (), strict=True):
                        kept.add(record, row)
                    finished.renew(kept.write)
    return kept.done, clock


def about_command(folder: Path, source: Source) -> dict[str, Any]:
    """Return what must be unchanged for results to be kept: release, rate and unit, and the reader's code."""
    return {"release": sha256(folder / SUMS), "rate": source.rate_hz, "unit": source.unit, "code": code_digest(READING)}


def load_networks(folder: Path) -> Networks:
    """Return the release's networks: its ONNX graph, which starts and runs faster, or torch if there is none.

    Each call takes one core; several may run at once.
    """
    if (folder / GRAPH).exists():
        from cmr2ecg.predict.onnx_session import open_onnx

        check_sums(folder, ("config.json", GRAPH))
        networks = open_onnx(folder / GRAPH)
        check_outputs(networks, read_config(folder), folder / GRAPH)
        return networks
    import torch

    from cmr2ecg.predict.ensemble import build_ensemble, predict

    torch.set_num_threads(1)
    ensemble = build_ensemble(read_release(folder))
    return lambda ecg: predict(ensemble, ecg)


def check_outputs(networks: Networks, config: Mapping[str, Any], path: Path) -> None:
    """Raise InputError unless the graph's outputs for one ECG agree with config.json."""
    wanted = {name: (len(about["seeds"]), 1, len(about["outputs"])) for name, about in config["targets"].items()}
    check_shapes(networks, config, path, wanted)


def check_embeddings(graph: Networks, config: Mapping[str, Any], path: Path) -> None:
    """Raise InputError unless the graph gives for one ECG an embedding of the encoder's width."""
    check_shapes(graph, config, path, {EMBEDDING: (1, config["models"]["ecg_encoder"]["dim"])})


def check_shapes(
    networks: Networks, config: Mapping[str, Any], path: Path, wanted: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise InputError unless the graph gives outputs of these names and shapes for one ECG."""
    try:
        said = networks(np.zeros((1, 12, config["clean_ecg"]["samples"]), np.float32))
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise InputError(
            f"{path}: does not fit config.json ({type(error).__name__}); fetch the release again"
        ) from error
    odd = next((name for name, shape in wanted.items() if name not in said or said[name].shape != shape), None)
    if odd:
        raise InputError(f"{path}: does not fit config.json ({odd[:60]}); fetch the release again")


def load_encoder(folder: Path) -> Networks:
    """Return the release's pre-trained encoder, as `load_networks` does the fits: its ONNX graph, or torch's."""
    config = read_config(folder)
    if (folder / ENCODER_GRAPH).exists():
        from cmr2ecg.predict.onnx_session import open_onnx

        check_sums(folder, ("config.json", ENCODER_GRAPH))
        graph = open_onnx(folder / ENCODER_GRAPH)
        check_embeddings(graph, config, folder / ENCODER_GRAPH)
        return lambda ecg: graph(ecg)[EMBEDDING].astype(np.float32)
    import torch

    from cmr2ecg.predict.ensemble import build_encoder, embed

    torch.set_num_threads(1)
    encoder = build_encoder(read_release(folder))
    return lambda ecg: embed(encoder, ecg)


def handed_out(files: Sequence[Path], source: Source, pool: Processes, clock: Clock) -> Iterator[list[Record]]:
    """Start reading the files in the pool and return them as batches, in order."""
    records = prefetch(pool.threads, read_in, ((pool, path, source) for path in files), PREFETCH * clock.workers)
    clock.ready, clock.files = time.monotonic(), len(files)
    return batches(watched(records, len(files)))


def read_in(pool: Processes, path: Path, source: Source) -> Record:
    """Return a file with an absolute path, read by one of the processes, whose working directory differs."""
    try:
        return replace(pool.call(load, path.absolute(), source), path=path)
    except WorkerDied as error:
        return Record(path, reason=f"could not be read: {error}")


def watched(records: Iterable[Record], total: int) -> Iterator[Record]:
    """Yield the records, with progress, and a line for each that cannot be used."""
    progress, skipped = Progress("ECGs", total), 0
    for record in records:
        if record.reason:
            skipped += 1
            log.warning("%s: skipped: %s", in_one_line(record.path), in_one_line(record.reason))
        yield record
        progress.step(skipped=skipped)
    progress.close()


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in lists of BATCH usable ones."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(usable(batch)) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def answered(found: Iterable[list[Record]], networks: Networks, workers: Executor, clock: Clock) -> Iterator[Answer]:
    """Yield each batch with the networks' outputs, in order; every worker has its own batch."""
    work = ((networks, batch) for batch in found)
    for batch, said, seconds in prefetch(workers, answer, work, 2 * clock.workers, at_once=False):
        clock.forward += seconds
        clock.ecgs += len(usable(batch))
        yield batch, said


def answer(networks: Networks, batch: list[Record]) -> tuple[list[Record], Any, float]:
    """Return the batch, the networks' outputs for its usable records, and their processor time."""
    good = usable(batch)
    start = time.thread_time()
    said = networks(cleaned_of(good)) if good else None
    return batch, said, time.thread_time() - start

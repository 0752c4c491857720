"""From files to predictions: files are read in processes of their own, the networks work in threads, one a core."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.predict.pool import ahead, start_pool
from cmr2ecg.predict.records import Record, Source, load
from cmr2ecg.predict.release import check_sums, read_config, read_release
from cmr2ecg.progress import Progress

log = logging.getLogger(__name__)
GRAPH = "model.onnx"
READING = "cmr2ecg.predict.reading"
Networks = Callable[[np.ndarray], Any]  # cleaned ECGs to each target's (seeds, n, outputs), or to embeddings (n, dim)
Answer = tuple[list[Record], Any]  # a batch and what the networks say of its usable records, in their order
BATCH = 16  # ECGs; more gain nothing on a CPU
AHEAD = 64  # files read ahead of the networks, for each process


@dataclass
class Clock:
    """How long things took.

    `forward` is the processor time of the networks for `ecgs` ECGs, which the reading beside them does not prolong.
    """

    lanes: int
    started: float = field(default_factory=time.monotonic)
    ready: float = 0.0  # when the first file was handed out
    forward: float = 0.0
    ecgs: int = 0

    def report(self, files: int) -> str:
        """Return the rates as text."""
        now = time.monotonic()
        named = f"{files} file{'s' * (files > 1)}"
        text = f"{named} in {now - self.started:.1f} s: {files / (now - self.started):.1f} a second, start and reading"
        text += f" included; {files / (now - self.ready):.1f} once started"
        if self.forward:
            text += f"; the networks alone: {self.lanes * self.ecgs / self.forward:.1f} a second"
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
    """Write predictions.json, predictions.csv and, unless `pages` is "none", a page an ECG below `out`.

    Args:
        files: to read.
        folder: of the release.
        out: folder to write.
        source: how files are read.
        prevalences: texts such as cad=0.07.
        pages: "pdf", "png", "both" or "none".
        threads: cores used.

    Returns:
        How many files could be used, and the time it took.
    """
    clock, done, drawn, names = Clock(threads), 0, [], page_names(files)
    with start_pool(threads, READING) as pool, ThreadPoolExecutor(threads) as lanes:
        networks = lanes.submit(load_networks, folder)
        from cmr2ecg.predict import calibrate, results  # while processes and networks start

        config = read_config(folder)
        targets = config["targets"]
        wanted = calibrate.check_prevalences(prevalences, [name for name in targets if "calibration" in targets[name]])
        records = handed_out(files, replace(source, keep_signal=pages != "none"), pool, clock)
        with results.open_predictions(out, config) as write:
            for batch, outputs in answered(records, networks.result(), lanes, clock):
                said = iter(results.describe(targets, outputs, wanted) if usable(batch) else ())
                for record in batch:
                    entry = results.entry_of(record, None if record.reason else next(said))
                    write(entry)
                    done += not record.reason
                    if not record.reason and pages != "none":
                        stem = out / "pages" / names[record.path]
                        drawn.append(pool.submit(draw_page, record, entry, config, stem, pages))
                        wait_for(drawn, 8 * threads)
            wait_for(drawn, 0)
    return done, clock


def embed_files(files: Sequence[Path], folder: Path, out: Path, source: Source, threads: int) -> tuple[int, Clock]:
    """Write the embeddings of all readable files to `out` (.parquet or .h5); return their number and the time."""
    from cmr2ecg.predict.embeddings import write_embeddings

    clock = Clock(threads)
    with start_pool(threads, READING) as pool, ThreadPoolExecutor(threads) as lanes:
        encoder = lanes.submit(load_encoder, folder)
        records = handed_out(files, replace(source, keep_signal=False), pool, clock)
        answers = answered(records, encoder.result(), lanes, clock)
        pieces = (([record.path for record in usable(batch)], values) for batch, values in answers if usable(batch))
        return write_embeddings(out, pieces), clock


def load_networks(folder: Path) -> Networks:
    """Return the release's networks: its ONNX graph, which starts and works faster, or torch where there is none.

    Each call takes one core; several may run at once.
    """
    if (folder / GRAPH).exists():
        from cmr2ecg.predict.onnx_session import open_onnx

        check_sums(folder, ("config.json", GRAPH))
        return open_onnx(folder / GRAPH)
    import torch

    from cmr2ecg.predict.ensemble import build_ensemble, predict

    torch.set_num_threads(1)
    ensemble = build_ensemble(read_release(folder))
    return lambda ecg: predict(ensemble, ecg)


def load_encoder(folder: Path) -> Networks:
    """Return the release's pre-trained encoder, to be called as `load_networks`."""
    import torch

    from cmr2ecg.predict.ensemble import build_encoder, embed

    torch.set_num_threads(1)
    encoder = build_encoder(read_release(folder))
    return lambda ecg: embed(encoder, ecg)


def handed_out(files: Sequence[Path], source: Source, pool: Executor, clock: Clock) -> Iterator[list[Record]]:
    """Start reading the files in the pool and return them as batches, in order."""
    records = ahead(pool, load, ((path, source) for path in files), AHEAD * clock.lanes)
    clock.ready = time.monotonic()
    return batches(watched(records, len(files)))


def watched(records: Iterable[Record], total: int) -> Iterator[Record]:
    """Yield the records, with progress, and a line for each that cannot be used."""
    progress, skipped = Progress("ECGs", total), 0
    for record in records:
        if record.reason:
            skipped += 1
            log.warning("%s: skipped: %s", record.path, record.reason)
        yield record
        progress.step(skipped=skipped)
    progress.close()


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in lists that hold BATCH usable ones."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(usable(batch)) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def usable(batch: Sequence[Record]) -> list[Record]:
    """Return the records that could be read."""
    return [record for record in batch if not record.reason]


def answered(found: Iterable[list[Record]], networks: Networks, lanes: Executor, clock: Clock) -> Iterator[Answer]:
    """Yield each batch with what the networks say of it, in order; every lane works on a batch of its own."""
    for batch, said, seconds in ahead(lanes, answer, ((networks, batch) for batch in found), 2 * clock.lanes):
        clock.forward += seconds
        clock.ecgs += len(usable(batch))
        yield batch, said


def answer(networks: Networks, batch: list[Record]) -> tuple[list[Record], Any, float]:
    """Return the batch, what the networks say of its usable records, and the processor time they took."""
    good = usable(batch)
    start = time.thread_time()
    said = networks(np.stack([record.cleaned for record in good])) if good else None
    return batch, said, time.thread_time() - start


def wait_for(jobs: list[Future], most: int) -> None:
    """Wait until at most `most` of the jobs are left; an error in one is raised here."""
    while len(jobs) > most:
        jobs.pop(0).result()


def page_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each file's page: its stem, with a number where two files share it."""
    found: dict[Path, str] = {}
    taken: set[str] = set()
    for path in files:
        name, number = path.stem, 2
        while name in taken:
            name, number = f"{path.stem}_{number}", number + 1
        taken.add(name)
        found[path] = name
    return found


def draw_page(record: Record, entry: Mapping[str, Any], config: Mapping[str, Any], stem: Path, kind: str) -> None:
    """Draw one page, in a process of its own."""
    from cmr2ecg.predict.page import write_page

    write_page(record.signal, entry, config, stem, ("pdf", "png") if kind == "both" else (kind,))

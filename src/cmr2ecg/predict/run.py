"""From files to predictions: read and cleaned in processes of their own while the networks work."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.predict.records import Record, Source, ahead, load, start_pool
from cmr2ecg.progress import Progress

log = logging.getLogger(__name__)
GRAPH = "model.onnx"
Networks = Callable[[np.ndarray], dict[str, np.ndarray]]  # cleaned ECGs to each target's (seeds, n, outputs)
BATCH = 16  # ECGs; more gain nothing on a CPU
AHEAD = 64  # files read ahead of the networks, for each process


@dataclass
class Clock:
    """How long things took: `forward` seconds for `ecgs` ECGs in the networks."""

    started: float = field(default_factory=time.monotonic)
    forward: float = 0.0
    ecgs: int = 0

    def report(self, files: int) -> str:
        """Return both rates as text."""
        whole = time.monotonic() - self.started
        named = f"{files} file{'s' * (files > 1)}"
        text = f"{named} in {whole:.1f} s: {files / whole:.1f} a second, start and reading included"
        if self.forward:
            text += f"; the networks alone: {self.ecgs / self.forward:.1f} a second"
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
) -> tuple[list[dict[str, Any]], Clock]:
    """Write predictions.json, predictions.csv and, unless `pages` is "none", a page an ECG below `out`.

    Args:
        files: to read.
        folder: of the release.
        out: folder to write.
        source: how files are read.
        prevalences: texts such as cad=0.07.
        pages: "pdf", "png", "both" or "none".
        threads: cores used.
    """
    from cmr2ecg.predict import calibrate, results
    from cmr2ecg.predict.release import read_config

    config = read_config(folder)
    diseases = [name for name, about in config["targets"].items() if "calibration" in about]
    wanted, clock = calibrate.check_prevalences(prevalences, diseases), Clock()
    names = page_names(files)
    entries, drawn = [], []
    with start_pool(threads) as pool:
        records = ahead(pool, load, [(path, source) for path in files], AHEAD * threads)
        networks = load_networks(folder, threads)
        for batch in batches(watched(records, len(files))):
            said = iter(
                results.describe(config["targets"], timed(networks, batch, clock), wanted) if usable(batch) else ()
            )
            for record in batch:
                entry = results.entry_of(record, None if record.reason else next(said))
                entries.append(entry)
                if not record.reason and pages != "none":
                    drawn.append(
                        pool.submit(draw_page, record, entry, config, out / "pages" / names[record.path], pages)
                    )
                    wait_for(drawn, 8 * threads)
        wait_for(drawn, 0)
    results.write(out, config, entries)
    return entries, clock


def embed_files(files: Sequence[Path], folder: Path, out: Path, source: Source, threads: int) -> tuple[int, Clock]:
    """Write the embeddings of all readable files to `out` (.parquet or .h5) and return their number."""
    from cmr2ecg.predict.results import write_embeddings

    clock, found, kept = Clock(), [], []
    with start_pool(threads) as pool:
        records = ahead(pool, load, [(path, source) for path in files], AHEAD * threads)
        import torch

        from cmr2ecg.predict.ensemble import build_encoder, embed
        from cmr2ecg.predict.release import read_release

        torch.set_num_threads(threads)
        encoder = build_encoder(read_release(folder))
        for batch in batches(watched(records, len(files))):
            good = usable(batch)
            if good:
                found.append(timed(lambda ecg: embed(encoder, ecg), batch, clock))
                kept += [record.path for record in good]
    if found:
        write_embeddings(out, kept, np.concatenate(found))
    return len(kept), clock


def load_networks(folder: Path, threads: int) -> Networks:
    """Return the release's networks: its ONNX graph, which starts and works faster, or torch where there is none."""
    from cmr2ecg.predict.release import check_sums, read_release

    if (folder / GRAPH).exists():
        from cmr2ecg.predict.onnx_session import open_onnx

        check_sums(folder, ("config.json", GRAPH))
        return open_onnx(folder / GRAPH, threads)
    import torch

    from cmr2ecg.predict.ensemble import build_ensemble, predict

    torch.set_num_threads(threads)
    ensemble = build_ensemble(read_release(folder))
    return lambda ecg: predict(ensemble, ecg)


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


def timed(networks: Any, batch: Sequence[Record], clock: Clock) -> Any:
    """Return what the networks say of the usable records, and count the time."""
    ecg = np.stack([record.cleaned for record in usable(batch)])
    start = time.monotonic()
    said = networks(ecg)
    clock.forward += time.monotonic() - start
    clock.ecgs += len(ecg)
    return said


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

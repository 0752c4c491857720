"""Write results so that finished ones are on disk at any time, and a repeated command resumes with the rest."""

import base64
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.predict.embeddings import Piece, write_embeddings
from cmr2ecg.predict.pool import Processes, WorkerDied
from cmr2ecg.predict.records import PAGES, Record, in_one_line
from cmr2ecg.predict.results import columns, entry_of, open_predictions, written
from cmr2ecg.predict.unfinished import Unfinished, key_of

log = logging.getLogger(__name__)
MAX_STEM_BYTES = 200  # bytes; a file system takes 255, with what is added while the page is written


class Predictions:
    """The folder of `cmr2ecg predict`: predictions.json, predictions.csv and one page per ECG.

    Args:
        out: the folder.
        config: of the release.
        files: all that are named, in the order of the results.
        kinds: of "pdf" and "png", the pages drawn.
        finished: what is done.
    """

    def __init__(
        self, out: Path, config: Mapping[str, Any], files: Sequence[Path], kinds: Sequence[str], finished: Unfinished
    ) -> None:
        self.out, self.config, self.kinds, self.finished = out, config, kinds, finished
        self.names, self.columns = page_names(files), columns(config["targets"])
        self.keys = {path: key_of(path, self.names[path]) for path in files}
        self.rest = [path for path in files if not (self.keys[path] in finished and self._has_pages(path))]
        self.done = len(files) - len(self.rest)
        self._drawing: deque[tuple[Future | None, Path, Any, bool]] = deque()

    def add(self, record: Record, said: Mapping[str, Any] | None, pool: Processes, most: int) -> None:
        """Take a file's results (None if it could not be used) and draw its page; at most `most` pages wait."""
        entry, page = entry_of(record, said), None
        if said is not None and self.kinds and record.signal is not None:
            stem = self._stem(record.path)
            page = pool.threads.submit(draw, pool, record.signal, entry, self.config, stem, self.kinds)
        self._drawing.append((page, record.path, written(entry, self.columns), said is None))
        self.note(most)

    def note(self, most: int = 0) -> None:
        """Record files with drawn pages as finished, until at most `most` are left to draw."""
        while self._drawing and (len(self._drawing) > most or self._drawing[0][0] is None):
            page, path, lines, rejected = self._drawing.popleft()
            if page is not None:
                page.result()
            self.finished.add(self.keys[path], lines, again=rejected)
            self.done += not rejected

    def write(self) -> None:
        """Write predictions.json and predictions.csv of the finished files."""
        with open_predictions(self.out, self.config) as add:
            for key in self.keys.values():
                if key in self.finished:
                    add(*self.finished[key])

    def _stem(self, path: Path) -> Path:
        return (self.out / PAGES / self.names[path]).absolute()

    def _has_pages(self, path: Path) -> bool:
        stem = self._stem(path)
        return all(stem.with_name(f"{stem.name}.{kind}").exists() for kind in self.kinds)


class Embeddings:
    """The file of `cmr2ecg embed`.

    Args:
        out: .parquet or .h5.
        files: all that are named, in the order of the rows.
        finished: what is done.
    """

    def __init__(self, out: Path, files: Sequence[Path], finished: Unfinished) -> None:
        self.out, self.finished = out, finished
        self.keys = {path: key_of(path) for path in files}
        self.rest = [path for path in files if self.keys[path] not in finished]
        self.done = len(files) - len(self.rest)

    def add(self, record: Record, values: np.ndarray) -> None:
        """Take a file's embedding (dim,) float32."""
        self.finished.add(self.keys[record.path], base64.b64encode(values.tobytes()).decode())
        self.done += 1

    def write(self) -> None:
        """Write what is finished; without any, no file."""
        write_embeddings(self.out, self._rows())

    def _rows(self) -> Iterator[Piece]:
        for path, key in self.keys.items():
            if key in self.finished:
                yield [path], np.frombuffer(base64.b64decode(self.finished[key]), np.float32)[None]


@contextmanager
def written_at_the_end(write: Callable[[], None], finished: Unfinished) -> Iterator[None]:
    """Write the results when the block ends, and when the user or the system stops it."""
    try:
        yield
    except KeyboardInterrupt:
        finished.settle()
        write()
        raise
    write()


def page_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each file's page: its stem, truncated if long, with a number if two files share it."""
    found: dict[Path, str] = {}
    taken: set[str] = set()  # in lower case, for case-insensitive file systems
    next_number: dict[str, int] = {}
    for path in files:
        name = stem = in_one_line(path.stem).encode()[:MAX_STEM_BYTES].decode(errors="ignore")
        while name.lower() in taken:
            number = next_number.get(stem.lower(), 2)
            next_number[stem.lower()] = number + 1
            name = f"{stem}_{number}"
        taken.add(name.lower())
        found[path] = name
    return found


def draw(
    pool: Processes, signal: np.ndarray, entry: Mapping, config: Mapping, stem: Path, kinds: Sequence[str]
) -> None:
    """Draw one page, in a separate process; an error of one page is logged, and the others continue."""
    try:
        pool.call(draw_page, signal, entry, config, stem, kinds)
    except OSError:  # a disk error, which affects all pages
        raise
    except Exception as error:
        what = str(error) if isinstance(error, WorkerDied) else type(error).__name__
        log.warning("%s: its page could not be drawn: %s", in_one_line(entry["file"]), what)


def draw_page(signal: np.ndarray, entry: Mapping, config: Mapping, stem: Path, kinds: Sequence[str]) -> None:
    """Draw one page; matplotlib is loaded here."""
    from cmr2ecg.predict.page import write_page

    write_page(signal, entry, config, stem, kinds)

"""Progress of a long loop: a bar on a terminal, plain lines in a log."""

import logging
import math
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)


class Progress:
    """Count finished units of `total`; a line at most every `every` seconds, and always the last."""

    def __init__(self, label: str, total: int, done: int = 0, every: float = 10.0) -> None:
        self.label, self.total, self.done, self.every = label, total, done, every
        self.started, self.skipped, self.last = time.monotonic(), done, -math.inf
        self.bar = tqdm(total=total, initial=done, desc=label) if sys.stderr.isatty() else None

    def step(self, **values: float) -> None:
        """Count one more unit and show `values`."""
        self.done += 1
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        if self.bar is not None:
            self.bar.set_postfix_str(shown)
            self.bar.update()
        now = time.monotonic()
        if now - self.last >= self.every or self.done == self.total:
            self.last = now
            left = (now - self.started) / (self.done - self.skipped) * (self.total - self.done)
            message = f"{self.label} {self.done}/{self.total}, about {left:.0f} s left{shown and ': '}{shown}"
            self._write(message)

    def _write(self, message: str) -> None:
        if self.bar is None:
            log.info(message)
            return
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.emit(log.makeRecord(log.name, logging.INFO, "", 0, message, (), None))

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()

"""The learning rate over a training: linear warm-up, then half a cosine to zero (paper §IV-C.2)."""

import math


def absolute_rate(base_lr: float, batch_size: int, reference_batch: int) -> float:
    """Return base_lr x batch_size / reference_batch (linear scaling; the authors' reference is 4, MAE's 256)."""
    return base_lr * batch_size / reference_batch


def warmup_cosine(epoch: float, *, epochs: float, warmup: float, rate: float, minimum: float = 0.0) -> float:
    """Return the learning rate at a fractional epoch.

    Args:
        epoch: epochs done so far, counting parts of one.
        epochs: length of the training.
        warmup: epochs of linear rise from 0 to `rate`.
        rate: the peak.
        minimum: where the cosine ends.
    """
    if epoch < warmup:
        return rate * epoch / warmup
    progress = (epoch - warmup) / (epochs - warmup)
    return minimum + (rate - minimum) * 0.5 * (1.0 + math.cos(math.pi * progress))

"""What a pre-training trains: a module that makes inputs of a batch, gives their loss and names its networks."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from cmr2ecg.augment.draw import Generator


class Objective(nn.Module, ABC):
    """One way of pre-training: `prepare`, `loss` and `networks` are every objective's; others where it makes sense.

    fields: what it reads, "ecg", "cmr" or both.
    needs_full_batches: contrastive losses do.
    loss: (*prepared) -> networks and loss, under autocast; contrastive losses `gather` (training/distributed.py) first.
    embeddings: (*prepared) -> features by name, each (batch, d), row i from subject i, under autocast, without gradient
        in validation, not gathered. Those named in `pair` are the projections of positive pairs, which alignment,
        uniformity and retrieval are measured on. Every other one is an encoder's output, named as its file, which is
        judged for collapse.
    loss_from: of the embeddings, where `loss(*prepared)` is `loss_from(embeddings(*prepared))`; validation then needs
        one pass, and its measures cover all validation subjects. Without it they cover the first HEALTH_SUBJECTS or a
        few more.
    after_step: called after each update with the share of the whole training that is done, in (0, 1].
    """

    fields: tuple[str, ...]
    needs_full_batches: bool
    pair: tuple[str, str] | None = None
    loss: Callable[..., Tensor]
    embeddings: Callable[..., dict[str, Tensor]] | None = None
    loss_from: Callable[[dict[str, Tensor]], Tensor] | None = None
    after_step: Callable[[float], None] | None = None

    @abstractmethod
    def prepare(self, batch: dict[str, Tensor], generator: Generator, *, augment: bool) -> tuple[Tensor, ...]:
        """Return the inputs of one step, augmented in fp32."""

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Return what is saved, by file name."""

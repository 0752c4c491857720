"""The loss of BYOL (Grill et al. 2020, equation 2), for the ECG baseline of paper §IV-D.1."""

from torch import Tensor, autocast
from torch.nn import functional


def byol_loss(prediction1: Tensor, prediction2: Tensor, target1: Tensor, target2: Tensor) -> Tensor:
    """Return how far the online network's predictions lie from the target network's projections of the other view.

    All (B, D), row i from sample i; 1 and 2 name the view they come from. Each direction is the mean of 2 - 2 cos, the
    squared distance of unit vectors; the two are added, so the loss lies between 0 and 8. No gradient reaches the
    targets. Returns a float32 scalar, also inside autocast.
    """
    with autocast(prediction1.device.type, enabled=False):
        return _distance(prediction1, target2) + _distance(prediction2, target1)


def _distance(prediction: Tensor, target: Tensor) -> Tensor:
    return 2 - 2 * functional.cosine_similarity(prediction.float(), target.detach().float(), dim=1).mean()

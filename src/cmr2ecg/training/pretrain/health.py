"""Are embeddings spread out or collapsed? Measures on validation embeddings, which need no labels.

The rule: an encoder counts as collapsed when its embeddings differ by less than a fiftieth of an even spread, or vary
along fewer than two directions. Then no classifier can tell subjects apart, however low the loss is.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

MIN_SPREAD = 0.02  # features behind a ReLU share a large mean: a sound ResNet had 0.08 after two epochs
MIN_RANK = 2.0
BLOCK = 1024  # rows of the similarity matrix held at a time


def spread(z: Tensor) -> float:
    """Return the mean over dimensions of the standard deviation of the l2-normalised rows of z (n, d), times sqrt(d).

    1 when the rows are spread evenly over the sphere (a standard deviation of 1/sqrt(d)), 0 when all are the same
    (Chen and He 2021, SimSiam, figure 2).
    """
    return float(normalize(z, dim=1).std(dim=0, correction=0).mean()) * math.sqrt(z.shape[1])


def effective_rank(z: Tensor) -> float:
    """Return exp of the entropy of the shares of variance along the principal directions of z (n, d).

    Between 1, a line, and min(n - 1, d); 0 if z is constant. Roy and Vetterli 2007, on the covariance's eigenvalues.
    """
    centred = (z - z.mean(dim=0)).double()
    variances = torch.linalg.eigvalsh(centred.T @ centred if z.shape[1] < len(z) else centred @ centred.T).clamp(min=0)
    total = variances.sum()
    if total <= len(z) * torch.finfo(torch.float32).eps ** 2 * z.double().square().sum():
        return 0.0
    shares = variances / total
    return float(torch.special.entr(shares).sum().exp())


def alignment(a: Tensor, b: Tensor) -> float:
    """Return the mean squared distance of positive pairs, rows i of a and b (n, d), on the unit sphere: 0 to 4.

    Wang and Isola 2020, equation 6 with alpha 2; lower is better.
    """
    return float((normalize(a, dim=1) - normalize(b, dim=1)).square().sum(dim=1).mean())


def uniformity(z: Tensor) -> float:
    """Return log of the mean of exp(-2 squared distance) over pairs of different rows of z (n, d), on the unit sphere.

    Wang and Isola 2020, equation 7 with t 2: 0 when all rows are the same, near -4 when spread evenly.
    """
    z = normalize(z, dim=1)
    total = 0.0
    for block in z.split(BLOCK):
        total += float((4 * (block @ z.T) - 4).exp().double().sum())
    return math.log(max(total - len(z), 1e-300) / (len(z) * (len(z) - 1)))


def measure(features: Mapping[str, Tensor], pair: tuple[str, str] | None) -> dict[str, float]:
    """Return <name>_spread and <name>_effective_rank of every encoder, and alignment and uniformity of the pair.

    features: name -> (n, d) fp32 on the CPU. pair: the two that hold positive pairs; the rest are encoders' outputs.
    Fewer than two rows say nothing, and give nothing.
    """
    values: dict[str, float] = {}
    for name, z in features.items():
        if len(z) > 1 and name not in (pair or ()):
            values |= {f"{name}_spread": spread(z), f"{name}_effective_rank": effective_rank(z)}
    if pair and len(features[pair[0]]) > 1:
        a, b = (features[name] for name in pair)
        values |= {"alignment": alignment(a, b), "uniformity": (uniformity(a) + uniformity(b)) / 2}
    return values


def collapsed(measures: Mapping[str, float]) -> list[str]:
    """Return the names of the collapsed encoders in what `measure` returned."""
    names = [name.removesuffix("_spread") for name in measures if name.endswith("_spread")]
    return [
        name
        for name in names
        if measures[f"{name}_spread"] < MIN_SPREAD or measures[f"{name}_effective_rank"] < MIN_RANK
    ]

"""How well the partner of an ECG is found among images, and the other way round: recall at k and median rank."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

AT = (1, 5, 10)
BLOCK = 1024  # queries compared at a time, so that memory stays at block x candidates


def partner_ranks(queries: Tensor, candidates: Tensor) -> Tensor:
    """Return the rank (n,) of candidate i among all n by cosine similarity to query i: 1 is best.

    queries, candidates: (n, d), row i of both from subject i. Ties share their mean rank, so that embeddings that are
    all the same come out at chance.
    """
    queries, candidates = normalize(queries, dim=1), normalize(candidates, dim=1)
    ranks = []
    for start in range(0, len(queries), BLOCK):
        similarity = queries[start : start + BLOCK] @ candidates.T
        own = similarity.diagonal(start)[:, None]
        ties = (similarity == own).sum(dim=1) - 1
        ranks.append(1 + (similarity > own).sum(dim=1) + ties / 2)
    return torch.cat(ranks)


def retrieval(a: Tensor, b: Tensor, names: tuple[str, str]) -> dict[str, float]:
    """Return recall at 1, 5 and 10 and the median rank, both ways.

    a, b: (n, d) embeddings of positive pairs; names: of a and b, for the keys <a>_to_<b>_r1 ... _median_rank.
    """
    values = {}
    for queries, candidates, way in ((a, b, "{0}_to_{1}"), (b, a, "{1}_to_{0}")):
        ranks = partner_ranks(queries, candidates)
        way = way.format(*names)
        values |= {f"{way}_r{k}": float((ranks <= k).float().mean()) for k in AT}
        values[f"{way}_median_rank"] = float(ranks.quantile(0.5))
    return values


def chance(pairs: int) -> dict[str, float]:
    """Return what embeddings that know nothing reach among `pairs` candidates."""
    return {**{f"r{k}": min(1.0, k / pairs) for k in AT}, "median_rank": (pairs + 1) / 2}

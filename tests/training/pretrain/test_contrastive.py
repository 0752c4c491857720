"""The contrastive baselines on ECGs: each learns, and each does what sets it apart from the others."""

import math

import pytest
import torch
from paper_settings import paper_settings

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.training.optimizer import pretraining_optimizer, set_rate
from cmr2ecg.training.pretrain.byol import ByolObjective, tau_at
from cmr2ecg.training.pretrain.clocs import ClocsObjective
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.loop import pretrain

SMALL = {
    "epochs": 2,
    "batch_size": 12,
    "base_lr": 3e-3,
    "lr_reference_batch": 12,
    "projector": {"hidden": 32, "out": 16},
}


def build(name: str, models: dict, **changes):
    """Return an objective at the paper's settings but small, and those settings."""
    settings = paper_settings()["pretrain"]["contrastive"][name] | SMALL | changes
    torch.manual_seed(0)
    return OBJECTIVES[name](models, settings), settings


def records(count: int = 6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    time = torch.arange(5000) / 500
    rate = 1 + torch.rand(count, 1, 1, generator=generator)
    return {"ecg": torch.sin(6.28 * rate * time) + 0.1 * torch.randn(count, 12, 5000, generator=generator)}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


EVERY = [(name, {}) for name in OBJECTIVES] + [("clocs", {"contrast": "cmlc"}), ("clocs", {"contrast": "cmsmlc"})]


@pytest.mark.parametrize(("name", "changes"), EVERY)
def test_training_steps_lower_the_loss(name, changes, small_models):
    objective, settings = build(name, small_models, drop_path=0.0, **changes)
    views = objective.prepare(records(12), seeded(), augment=True)
    optimizer = pretraining_optimizer(objective, settings)
    set_rate(optimizer, 3e-3)
    losses = []
    for _ in range(25):
        losses.append(objective.loss(*views))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(("name", "changes"), EVERY)
def test_a_whole_training_is_finite_and_measured(name, changes, small_models, small_dataset, tmp_path):
    objective, settings = build(name, small_models, **changes)
    path, split = small_dataset / "dataset.h5", small_dataset / "split.csv"
    train, val = (PairedData(path, split_eids(split, fold), ("ecg",), memory_mb=1e3) for fold in ("train", "val"))
    state = pretrain(
        objective, train, val, settings, directory=tmp_path, cache_key="me", precision="fp32", label="test"
    )
    measured = {"train_loss", "val_loss", "encoder_spread", "encoder_effective_rank", "alignment", "uniformity"}
    for row in state.history:
        assert measured <= set(row) and all(math.isfinite(row[key]) for key in measured)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_trained_weight_gets_a_gradient_and_the_encoder_is_saved(name, small_models):
    objective, _ = build(name, small_models)
    objective.train()
    objective.loss(*objective.prepare(records(), seeded(), augment=True)).backward()
    silent = {name for name, value in objective.named_parameters() if value.requires_grad and value.grad is None}
    assert silent == set()
    assert objective.networks()["encoder"] is objective.encoder


@pytest.mark.parametrize("name", ["simclr", "barlow_twins"])
def test_the_loss_is_that_of_the_embeddings(name, small_models):
    objective, _ = build(name, small_models)
    views = objective.eval().prepare(records(), seeded(), augment=False)
    assert objective.loss(*views).item() == objective.loss_from(objective.embeddings(*views)).item()


def test_views_differ_repeat_with_the_seed_and_leave_the_records_alone(small_models):
    objective, _ = build("simclr", small_models)
    batch = records()
    before = batch["ecg"].clone()
    (views,) = objective.prepare(batch, seeded(1), augment=True)
    (again,) = objective.prepare(batch, seeded(1), augment=False)  # validation makes its views in the same way
    first, second = views.chunk(2)
    assert views.equal(again) and batch["ecg"].equal(before)
    assert views.shape == (12, 12, 2500)
    assert (first != second).flatten(1).any(1).all()


def test_the_second_view_is_augmented_with_its_probability(small_models):
    objective, _ = build("simclr", small_models, second_view_probability=0.0)
    batch = {"ecg": torch.ones(3, 12, 5000)}  # a crop of ones is ones
    first, second = objective.prepare(batch, seeded(), augment=True)[0].chunk(2)
    assert (first != 1).flatten(1).any(1).all() and (second == 1).all()


def test_the_target_network_starts_as_a_copy_and_is_not_trained(small_models):
    objective, settings = build("byol", small_models)
    for name, network in objective.followed().items():
        copied = objective.target[name].state_dict()
        assert all(value.equal(copied[key]) for key, value in network.state_dict().items())
    trained = {
        id(value) for group in pretraining_optimizer(objective, settings).param_groups for value in group["params"]
    }
    assert not trained & {id(value) for value in objective.target.parameters()}
    objective.loss(*objective.prepare(records(), seeded(), augment=True)).backward()
    assert all(value.grad is None for value in objective.target.parameters())


@torch.no_grad()
def test_the_target_moves_towards_the_online_network_by_one_minus_tau(small_models):
    objective, _ = build("byol", small_models, tau=0.9)
    for value in objective.encoder.parameters():
        value.add_(1.0)
    pairs = list(zip(objective.target["encoder"].parameters(), objective.encoder.parameters(), strict=True))
    before = [target.clone() for target, _ in pairs]
    objective.after_step(0.5)
    share = 1 - tau_at(0.5, 0.9)
    for (target, online), old in zip(pairs, before, strict=True):
        torch.testing.assert_close(target, old + share * (online - old))
    objective.after_step(1.0)  # tau is 1: the target stands still
    after = [target.clone() for target, _ in pairs]
    objective.after_step(1.0)
    assert all(target.equal(old) for (target, _), old in zip(pairs, after, strict=True))


def test_tau_rises_along_half_a_cosine():
    assert tau_at(0, 0.9996) == pytest.approx(0.9996, abs=1e-12)
    assert tau_at(0.5, 0.9996) == pytest.approx(0.9998, abs=1e-12)
    assert tau_at(1, 0.9996) == 1
    values = [tau_at(step / 10, 0.99) for step in range(11)]
    assert values == sorted(values)


def test_the_target_follows_during_a_training(small_models, small_dataset, tmp_path):
    objective, settings = build("byol", small_models, epochs=3, tau=0.0)
    data = PairedData(small_dataset / "dataset.h5", 9000001 + torch.arange(24).numpy(), ("ecg",), memory_mb=1e3)
    start = objective.target["encoder"].norm.weight.clone()
    pretrain(objective, data, data, settings, directory=tmp_path, cache_key="me", precision="fp32", label="test")
    assert not objective.target["encoder"].norm.weight.equal(start)


def test_batch_norm_sees_one_view_at_a_time(small_models):
    """Shifting every sample of one view changes nothing that the other view's projection is normalised by."""
    objective, _ = build("barlow_twins", small_models, drop_path=0.0)
    views = objective.prepare(records(), seeded(), augment=True)[0]
    shifted = torch.cat([views[:6], views[6:] + 5])
    before, after = (objective.embeddings(x)["view_1"] for x in (views, shifted))
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize(("contrast", "views"), [("cmsc", 2), ("cmlc", 4), ("cmsmlc", 8)])
def test_clocs_contrasts_the_stated_parts(contrast, views, small_models):
    objective, _ = build("clocs", small_models, contrast=contrast)
    features = objective.features(*objective.prepare(records(), seeded(), augment=True))
    assert [view.shape for view in features] == [(6, 16)] * views


def test_the_halves_of_cmsc_are_fixed(small_models):
    augment = dict.fromkeys(
        ("surrogate", "surrogate_probability", "noise", "rescale", "time_flip", "sign_flip", "spectrogram_mask"), 0.0
    )
    augment |= {"noise_kind": "additive", "spectrogram_window": 120}
    objective, _ = build("clocs", small_models, augment=augment)
    batch = records()
    first, second = objective.prepare(batch, seeded(), augment=True)[0].chunk(2)
    torch.testing.assert_close(first, batch["ecg"][..., :2500])
    torch.testing.assert_close(second, batch["ecg"][..., 2500:])


@torch.no_grad()
def test_a_single_leads_embedding_does_not_see_the_other_leads(small_models):
    objective, _ = build("clocs", small_models, contrast="cmlc")
    encoder = objective.encoder.eval()
    ecg = records()["ecg"][..., :2500]
    changed = ecg.clone()
    changed[:, 0] += 1  # lead I, which is not among II, V2, aVL and aVR
    before = encoder.forward_leads(ecg, objective.leads)
    assert before.equal(encoder.forward_leads(changed, objective.leads))
    changed[:, 1] += 1  # lead II
    after = encoder.forward_leads(changed, objective.leads)
    assert not before[:, 0].equal(after[:, 0]) and before[:, 1:].equal(after[:, 1:])
    assert isinstance(objective, ClocsObjective)


def test_byol_is_a_mean_over_the_batch_in_evaluation(small_models):
    objective, _ = build("byol", small_models)
    assert isinstance(objective.eval(), ByolObjective)
    (views,) = objective.prepare(records(), seeded(), augment=False)
    first, second = views.chunk(2)
    halves = [objective.loss(torch.cat([first[i], second[i]])).item() for i in (slice(0, 3), slice(3, 6))]
    assert objective.loss(views).item() == pytest.approx(sum(halves) / 2, rel=1e-5)

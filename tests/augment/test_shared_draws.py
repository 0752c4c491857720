"""Processes that share a batch draw for their rows what one process would draw for the whole batch."""

import pytest
import torch
from paper_settings import paper_settings

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.draw import SharedGenerator, in_pieces, normal, on_share, uniform
from cmr2ecg.augment.ecg import augment_ecg, random_crop
from cmr2ecg.augment.ecg_views import augment_view

PAPER = paper_settings()["pretrain"]
SLICES = [range(0, 1), range(1, 10), range(10, 12)]
AUGMENTATIONS = {
    "crop": lambda x, generator: random_crop(x["ecg"], 1000, generator),
    "ecg": lambda x, generator: augment_ecg(x["ecg"], PAPER["mae"]["augment"], generator, probability=0.5),
    "view": lambda x, generator: augment_view(x["ecg"], PAPER["contrastive"]["simclr"]["augment"], generator, 0.3),
    "cmr": lambda x, generator: augment_cmr(x["cmr"], PAPER["mmcl"]["cmr_augment"], generator, probability=0.5),
}


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    return {
        "ecg": torch.randn(12, 12, 2500, generator=generator),
        "cmr": torch.rand(12, 3, 24, 24, generator=generator),
    }


def share(seed: int, rows: range) -> SharedGenerator:
    return SharedGenerator(torch.Generator().manual_seed(seed), 12, torch.tensor(list(rows)))


@pytest.mark.parametrize("piece_bytes", [1 << 21, 100_000])
@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_slices_are_augmented_as_in_the_whole_batch(batch, name, seed, piece_bytes, monkeypatch):
    monkeypatch.setattr("cmr2ecg.augment.draw.PIECE_BYTES", piece_bytes)
    whole = AUGMENTATIONS[name](batch, torch.Generator().manual_seed(seed))
    for rows in SLICES:
        own = {key: value[rows.start : rows.stop] for key, value in batch.items()}
        generator = share(seed, rows)
        found = AUGMENTATIONS[name](own, generator)
        torch.testing.assert_close(found, whole[rows.start : rows.stop], rtol=0, atol=1e-5)
        assert generator.total == 12 and generator.mine.tolist() == list(rows)


def test_all_processes_keep_step():
    """After any augmentation, also of parts where a process has no row, the generators stand at the same place."""
    states = []
    for rows in SLICES:
        generator, x = share(0, rows), torch.zeros(len(rows), 1, 1)

        def change(part, generator=generator):
            return part + uniform((len(part), 1, 1), generator, part.device)

        on_share(x, 0.2, generator, lambda part, change=change, generator=generator: in_pieces(part, change, generator))
        states.append(generator.own.get_state())
    assert all(state.equal(states[0]) for state in states)


def test_numbers_are_those_of_the_rows():
    whole = normal((12, 3), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert normal((9, 3), share(0, range(1, 10)), torch.device("cpu")).equal(whole[1:10])

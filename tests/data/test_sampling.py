import numpy as np
import pytest
import torch

from inspection.data.sampling import EpochSampler, ShareSampler, balancing_weights


def drawn(epoch, **settings):
    sampler = EpochSampler(**settings)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_an_epoch_draws_every_row_once_and_each_epoch_anew():
    rows = np.arange(100, 150)
    first, again, second = (drawn(e, rows=rows, classes=None, seed=7) for e in (0, 0, 1))
    assert sorted(first) == rows.tolist()
    assert first == again != second
    assert drawn(0, rows=rows, classes=None, seed=8) != first


def test_two_processes_together_draw_what_one_draws():
    rows = np.arange(21)
    for classes in (None, [0] * 18 + [1] * 3):
        alone = drawn(3, rows=rows, classes=classes, seed=1)
        shares = [drawn(3, rows=rows, classes=classes, seed=1, rank=rank, world=2) for rank in (0, 1)]
        assert len(shares[0]) == len(shares[1]) == 11  # both must do the same number of steps
        together = [row for pair in zip(*shares, strict=True) for row in pair]
        assert together[:21] == alone
        assert together[21:] == alone[:1]


@pytest.mark.parametrize("counts", [(251, 62), (7, 7), (100, 20, 3)])
def test_every_batch_holds_the_classes_equally_often(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(targets)) + 1000
    order = np.asarray(drawn(2, rows=rows, classes=targets, seed=5)) - 1000
    assert len(order) == len(targets)
    for start in range(0, len(order) - len(counts), len(counts)):
        assert sorted(targets[order[start : start + len(counts)]]) == list(range(len(counts)))
    for target, count in enumerate(counts):  # no row twice before all of its class were drawn
        times = np.bincount(order, minlength=len(targets))[targets == target]
        assert times.max() - times.min() <= 1, count


def test_the_places_of_the_classes_in_a_batch_vary():
    targets = np.asarray([0] * 50 + [1] * 50)
    order = targets[drawn(0, rows=np.arange(100), classes=targets, seed=0)]
    assert 10 < order[::2].sum() < 40


def test_balancing_weights_by_hand():
    assert torch.allclose(balancing_weights(np.asarray([0, 0, 0, 1]), 2), torch.tensor([4 / 6, 4 / 2]))


def test_evaluation_shares_hold_every_row_exactly_once():
    shares = [list(ShareSampler(np.arange(10), rank, 3)) for rank in range(3)]
    assert sorted(row for share in shares for row in share) == list(range(10))
    assert [len(ShareSampler(np.arange(10), rank, 3)) for rank in range(3)] == [4, 3, 3]

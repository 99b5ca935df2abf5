import numpy as np
import torch

from inspection.data.sampling import EpochSampler, ShareSampler, balancing_weights


def drawn(epoch, **settings):
    sampler = EpochSampler(**settings)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_an_epoch_draws_every_row_once_and_each_epoch_anew():
    rows = np.arange(100, 150)
    first, again, second = (drawn(e, rows=rows, weights=None, seed=7) for e in (0, 0, 1))
    assert sorted(first) == rows.tolist()
    assert first == again != second
    assert drawn(0, rows=rows, weights=None, seed=8) != first


def test_two_processes_together_draw_what_one_draws():
    rows = np.arange(21)
    weights = balancing_weights(np.asarray([0] * 18 + [1] * 3), 2)[torch.tensor([0] * 18 + [1] * 3)]
    for chances in (None, weights):
        alone = drawn(3, rows=rows, weights=chances, seed=1)
        shares = [drawn(3, rows=rows, weights=chances, seed=1, rank=rank, world=2) for rank in (0, 1)]
        assert len(shares[0]) == len(shares[1]) == 11  # both must do the same number of steps
        together = [row for pair in zip(*shares, strict=True) for row in pair]
        assert together[:21] == alone
        assert together[21:] == alone[:1]


def test_weighted_rows_balance_the_classes():
    targets = np.asarray([0] * 900 + [1] * 100)
    weights = balancing_weights(targets, 2)[torch.from_numpy(targets)]
    share = np.mean(
        [targets[drawn(e, rows=np.arange(1000), weights=weights, seed=0)].mean() for e in range(10)]
    )
    assert abs(share - 0.5) < 0.02  # 5 standard errors of 10,000 draws


def test_balancing_weights_by_hand():
    assert torch.allclose(balancing_weights(np.asarray([0, 0, 0, 1]), 2), torch.tensor([4 / 6, 4 / 2]))


def test_evaluation_shares_hold_every_row_exactly_once():
    shares = [list(ShareSampler(np.arange(10), rank, 3)) for rank in range(3)]
    assert sorted(row for share in shares for row in share) == list(range(10))
    assert [len(ShareSampler(np.arange(10), rank, 3)) for rank in range(3)] == [4, 3, 3]

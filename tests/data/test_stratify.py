import time

import numpy as np
import pytest

from inspection.data.stratify import deal_out
from inspection.errors import InputError

SHARES = (0.78, 0.2, 0.02)


def names(number):
    return [f"{index}.png" for index in range(number)]


def off(indicators, part, shares):
    """Images too many in each part, `[P, 1 + S]`: of all images, and of those with each indicator."""
    columns = np.c_[np.ones(len(indicators)), indicators]
    wanted = np.outer(np.asarray(shares) / np.sum(shares), columns.sum(0))
    return np.stack([columns[part == index].sum(0) for index in range(len(shares))]) - wanted


def videos(number, seed):
    """Frames of seam videos: one stitch length a video, stretches of widened or cut strings in some."""
    random = np.random.default_rng(seed)
    labels, groups = [], []
    for video in range(number):
        frames = int(random.integers(120, 380))
        label = np.zeros((frames, 4), dtype=bool)
        label[:, 3] = video % 2
        for attribute in (1, 2):
            if random.random() < 0.5:
                start = random.integers(0, frames)
                label[start : start + frames // 3, attribute] = True
        label[:, 0] = ~label[:, 1:3].any(1)
        labels.append(label)
        groups += [f"video{video}"] * frames
    return np.concatenate(labels), groups


def iterative_stratification(labels, shares, seed):
    """Algorithm 1 of Sechidis, Tsoumakas and Vlahavas (2011), as published."""
    random = np.random.default_rng(seed)
    desired, desired_of = np.asarray(shares) * len(labels), np.outer(shares, labels.sum(0))
    part, left = np.full(len(labels), -1), np.ones(len(labels), dtype=bool)
    while labels[left].any():
        counts = labels[left].sum(0)
        rarest = np.where(counts > 0, counts, len(labels) + 1).argmin()
        for row in np.flatnonzero(left & labels[:, rarest]):
            best = np.flatnonzero(desired_of[:, rarest] == desired_of[:, rarest].max())
            best = best[desired[best] == desired[best].max()]
            part[row] = random.choice(best)
            desired[part[row]] -= 1
            desired_of[part[row], labels[row]] -= 1
            left[row] = False
    for row in np.flatnonzero(left):
        part[row] = random.choice(np.flatnonzero(desired == desired.max()))
        desired[part[row]] -= 1
    return part


@pytest.mark.parametrize("seed", range(12))
def test_one_hot_classes_of_single_images_end_within_one_of_the_exact_share(seed):
    random = np.random.default_rng(seed)
    number = int(random.integers(3, 400))
    classes = random.choice(6, number, p=random.dirichlet(np.full(6, 0.4)))
    shares = random.dirichlet(np.ones(3))
    one_hot = classes[:, None] == np.arange(6)
    part = deal_out(one_hot, names(number), shares, seed)
    assert np.abs(off(one_hot, part, shares)[:, 1:]).max() <= 1 + 1e-9
    assert set(part) == {0, 1, 2}


@pytest.mark.parametrize("rates", [(0.75, 0.12, 0.11, 0.5), (0.5, 0.3, 0.1, 0.05, 0.02, 0.01)])
def test_many_images_of_several_labels_are_dealt_by_the_shares(rates):
    random = np.random.default_rng(0)
    labels = random.random((15_000, len(rates))) < rates
    start = time.process_time()
    part = deal_out(labels, names(15_000), SHARES, seed=0)
    assert time.process_time() - start < 30  # a second or two alone on a machine
    assert np.abs(off(labels, part, SHARES)[:, 0]).max() <= 1
    assert np.abs(off(labels, part, SHARES)).max() < 2.5
    _, combination = np.unique(labels, axis=0, return_inverse=True)
    combinations = combination[:, None] == np.arange(combination.max() + 1)
    assert np.abs(off(combinations, part, SHARES)).max() <= 1 + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_no_worse_than_iterative_stratification(seed):
    random = np.random.default_rng(seed)
    labels = random.random((800, 6)) < random.uniform(0.02, 0.5, 6)
    ours = deal_out(labels, names(800), (0.6, 0.3, 0.1), seed)
    published = iterative_stratification(labels, (0.6, 0.3, 0.1), seed)
    assert np.abs(off(labels, ours, (0.6, 0.3, 0.1))).max() < 2
    _, combination = np.unique(labels, axis=0, return_inverse=True)
    combinations = combination[:, None] == np.arange(combination.max() + 1)
    errors = [np.square(off(combinations, part, (0.6, 0.3, 0.1))).sum() for part in (ours, published)]
    assert errors[0] < 0.5 * errors[1]


def test_the_rarest_label_is_in_each_part_where_it_can_be():
    for seed in range(5):
        rare = np.arange(400)[:, None] < [10, 200]
        part = deal_out(rare, names(400), (0.9, 0.05, 0.05), seed)
        assert all(rare[part == index, 0].any() for index in range(3))


@pytest.mark.parametrize("seed", range(6))
def test_few_large_groups(seed):
    labels, groups = videos(60, seed)
    part = deal_out(labels, groups, SHARES, seed)
    by_group = {}
    for group, index in zip(groups, part, strict=True):
        by_group.setdefault(group, set()).add(int(index))
    assert all(len(parts) == 1 for parts in by_group.values())
    assert set(part) == {0, 1, 2}
    share = off(labels, part, SHARES) / len(labels)
    assert np.abs(share[:2]).max() < 0.012
    assert np.abs(share[2, 0]) < 0.01  # of 0.02: a video is about 0.016

    random = np.random.default_rng(seed)
    dealt = random.permutation(np.repeat([0, 1, 2], [47, 12, 1]))
    naive = dealt[np.unique(groups, return_inverse=True)[1]]
    assert np.square(share).sum() < 0.3 * np.square(off(labels, naive, SHARES) / len(labels)).sum()


def test_no_part_with_a_share_is_empty_and_one_without_is():
    for number in (3, 4, 7):
        part = deal_out(np.ones((number, 1)), names(number), (0.98, 0.01, 0.01), seed=0)
        assert set(part) == {0, 1, 2}
    assert set(deal_out(np.ones((9, 1)), names(9), (0.8, 0.0, 0.2), seed=0)) == {0, 2}
    assert set(deal_out(np.ones((9, 1)), names(9), (0, 3), seed=0)) == {1}
    with pytest.raises(InputError, match="2 groups can't fill 3 parts"):
        deal_out(np.ones((8, 1)), ["a", "b"] * 4, SHARES, seed=0)


def test_numbers_and_no_indicator_at_all():
    random = np.random.default_rng(0)
    areas = random.gamma(1, 50, (300, 2))
    groups = [f"board{index}" for index in random.integers(0, 80, 300)]
    part = deal_out(areas, groups, (0.6, 0.4), seed=0)
    assert np.abs(off(areas, part, (0.6, 0.4)) / [300, *areas.sum(0)]).max() < 0.01
    sizes = np.bincount(deal_out(np.zeros((50, 0)), names(50), (0.5, 0.3, 0.2), seed=0))
    assert sizes.tolist() == [25, 15, 10]


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    labels = np.random.default_rng(0).random((160, 3)) < 0.3
    for groups in (names(160), [f"board{index // 4}" for index in range(160)]):
        first, again, other = (deal_out(labels, groups, (0.7, 0.2, 0.1), seed) for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"\[3, 1\] of 2 groups"):
        deal_out(np.ones((3, 1)), names(2), (1, 1), seed=0)
    with pytest.raises(ValueError, match="NaN"):
        deal_out(np.array([[1.0], [np.nan]]), names(2), (1, 1), seed=0)
    for shares in ((), (0, 0), (1, -1), (1, np.nan)):
        with pytest.raises(ValueError, match="shares"):
            deal_out(np.ones((3, 1)), names(3), shares, seed=0)

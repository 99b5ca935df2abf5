"""Deletion and insertion on networks whose evidence is known."""

import numpy as np
import pytest
import torch

from inspection.explain.faithfulness import Curves, blur, faithfulness, rank_pixels

PLACE = (slice(20, 28), slice(30, 38))


def brightest(images: torch.Tensor) -> torch.Tensor:
    """Two classes: how bright the known place is above the mean of the image, and the opposite."""
    values = images.float()[:, 0]
    score = torch.sigmoid((values[:, *PLACE].mean((1, 2)) - values.mean((1, 2)) - 100) / 10)
    return torch.stack([1 - score, score], 1)


def parts(count: int = 3) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    images = torch.randint(80, 120, (count, 1, 48, 64), generator=random, dtype=torch.uint8)
    images[:, :, *PLACE] = 230
    return images


def oracle(count: int = 3) -> torch.Tensor:
    maps = torch.zeros(count, 48, 64)
    maps[:, *PLACE] = 1
    return maps


def test_hand_computed_curves():
    """Four pixels 8, 4, 2, 2, their mean is 4, the score is the sum; a blur of a twentieth of 2 pixels is none."""
    image = torch.tensor([[[[8.0, 4.0], [2.0, 2.0]]]])
    heat = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    curves = faithfulness(
        lambda x: x.sum((1, 2, 3))[:, None], image, heat, torch.tensor([0]), steps=4, batch_size=3
    )
    assert curves.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curves.deletion.tolist() == [[16, 12, 12, 14, 16]]
    assert curves.deletion_area.tolist() == [pytest.approx((8 + 12 + 12 + 14 + 8) / 4)]
    torch.testing.assert_close(curves.insertion, torch.full((1, 5), 16.0), atol=1e-3, rtol=0)


def test_area_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    shares = torch.linspace(0, 1, 9)
    curves = Curves(shares, torch.rand(4, 9), torch.rand(4, 9))
    for row in range(4):
        assert float(curves.deletion_area[row]) == pytest.approx(metrics.auc(shares, curves.deletion[row]))
        assert float(curves.insertion_area[row]) == pytest.approx(metrics.auc(shares, curves.insertion[row]))


def test_an_oracle_beats_a_random_map_and_its_opposite_is_worst():
    images, targets = parts(), torch.tensor([1, 1, 1])
    noise = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(2))
    known, drawn, wrong = (
        faithfulness(brightest, images, maps, targets, steps=24, batch_size=10)
        for maps in (oracle(), noise, 1 - oracle())
    )
    assert (known.deletion_area < drawn.deletion_area - 0.2).all()
    assert (drawn.deletion_area < wrong.deletion_area - 0.05).all()
    assert (known.insertion_area > drawn.insertion_area + 0.05).all()
    assert (drawn.insertion_area > wrong.insertion_area + 0.05).all()


def test_curves_begin_and_end_with_the_image():
    images, targets = parts(), torch.tensor([1, 0, 1])
    curves = faithfulness(brightest, images, oracle(), targets, steps=5)
    whole = brightest(images).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(curves.deletion[:, 0], whole)
    torch.testing.assert_close(curves.insertion[:, -1], whole)
    assert curves.deletion[:, -1].tolist() == pytest.approx([4.5e-5, 1 - 4.5e-5, 4.5e-5], rel=0.02)  # grey
    assert curves.insertion.shape == curves.deletion.shape == (3, 6)


def test_batches_change_nothing_and_images_stay():
    images, targets = parts(), torch.tensor([1, 0, 1])
    before = images.clone()
    one, two = (
        faithfulness(brightest, images, oracle(), targets, steps=7, batch_size=size) for size in (1, 1000)
    )
    assert torch.equal(one.deletion, two.deletion)
    assert torch.equal(one.insertion, two.insertion)
    assert torch.equal(images, before)


def test_pixels_are_ranked_from_the_hottest_and_equals_are_scattered():
    maps = torch.zeros(2, 10, 10)
    maps[0, 3, 4], maps[0, 7, 7] = 0.9, 1.0
    ranks = rank_pixels(maps)
    assert ranks[0, 7, 7] == 0
    assert ranks[0, 3, 4] == 1
    assert sorted(ranks[1].flatten().tolist()) == list(range(100))
    first = np.argwhere(ranks[1].numpy() < 50)
    assert (first[:, 0] < 5).sum() < 40  # row by row, it would be all 50
    assert torch.equal(ranks, rank_pixels(maps))


def test_blur_is_that_of_opencv_and_keeps_the_dtype():
    cv2 = pytest.importorskip("cv2")
    image = (np.random.default_rng(0).random((30, 40)) * 255).astype(np.float32)
    ours = blur(torch.from_numpy(image)[None, None], 1.5)[0, 0].numpy()
    radius = round(3 * 1.5)
    theirs = cv2.GaussianBlur(image, (2 * radius + 1,) * 2, 1.5, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert blur(torch.full((1, 3, 9, 9), 7, dtype=torch.uint8), 2).unique().tolist() == [7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": torch.zeros(3, 4, 4)}, "Expected maps"),
        ({"targets": torch.tensor([1])}, "Expected a target for each of 3"),
        ({"steps": 0}, "steps=0"),
    ],
)
def test_what_does_not_fit_is_said(change, message):
    given = {"maps": oracle(), "targets": torch.tensor([1, 1, 1])} | change
    with pytest.raises(ValueError, match=message):
        faithfulness(brightest, parts(), **given)

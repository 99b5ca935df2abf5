import numpy as np

from inspection.data.occlusion import Occluded, cover


class Plain:
    def gather(self, indices):
        return np.full((len(indices), 1, 60, 80), 7, np.uint8)


FILES = [f"pics/ä{number}.png" for number in range(300)]


def test_the_same_image_is_hidden_alike_and_another_one_elsewhere():
    images = Occluded(Plain(), FILES, 0.3)
    first, again = images.gather([3, 5, 3]), images.gather(np.array([3]))
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != first[1]).any()


def test_what_is_hidden_is_a_rectangle_of_one_grey_value():
    left, top, right, bottom, grey = cover(FILES[3], 60, 80, 0.3)
    expected = np.full((60, 80), 7, np.uint8)
    expected[top:bottom, left:right] = grey
    np.testing.assert_array_equal(Occluded(Plain(), FILES, 0.3).gather([3])[0, 0], expected)


def test_shares_run_from_nothing_to_the_most_and_lie_everywhere():
    boxes = np.array([cover(file, 60, 80, 0.3) for file in FILES])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 80).all()
    assert (boxes[:, 3] <= 60).all()
    shares = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 4800
    assert shares.max() <= 0.3
    assert 0.1 < shares.mean() < 0.16
    assert np.ptp(boxes[:, 0]) > 50
    assert np.ptp(boxes[:, 1]) > 35
    assert np.ptp(boxes[:, 4]) > 200


def test_nothing_is_hidden_with_a_share_of_0():
    assert (Occluded(Plain(), FILES, 0.0).gather(range(20)) == 7).all()

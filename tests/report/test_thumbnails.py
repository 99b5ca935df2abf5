import cv2
import numpy as np
import pytest

from inspection.report import thumbnail


def test_longest_side_and_colours():
    image = np.zeros((200, 100, 3), np.uint8)
    image[..., 0] = 220  # red

    made = thumbnail(image, longest=50, quality=95)

    back = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR)
    assert (made.width, made.height) == (25, 50) == back.shape[1::-1]
    assert back[20, 10, 2] > 200  # OpenCV reads blue first
    assert back[20, 10, :2].max() < 20


def test_a_small_image_is_not_blown_up():
    assert thumbnail(np.zeros((20, 30), np.uint8)).width == 30


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        thumbnail(np.zeros((20, 30, 3)))
    with pytest.raises(ValueError, match="uint8"):
        thumbnail(np.zeros((20, 30, 4), np.uint8))

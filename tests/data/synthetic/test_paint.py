import cv2
import numpy as np
import pytest

from inspection.data.synthetic import paint


def test_grid_is_zero_in_the_middle():
    x, y = paint.grid(3, 4)
    assert x.tolist() == [[-1.5, -0.5, 0.5, 1.5]]
    assert y.tolist() == [[-1.0], [0.0], [1.0]]


@pytest.mark.parametrize("settings", [{"cell": 8}, {"cell": 24, "octaves": 2, "stretch": 2.0}])
def test_a_cloud_is_smooth_and_of_about_unit_spread(settings):
    clouds = np.stack([paint.cloud(np.random.default_rng(seed), 64, 96, **settings) for seed in range(20)])
    assert clouds.shape == (20, 64, 96)
    assert abs(clouds.mean()) < 0.2
    assert 0.7 < clouds.std() < 1.4
    assert np.abs(np.diff(clouds, axis=2)).mean() < 0.5 * clouds.std()


def test_noise_of_the_sensor_grows_with_the_light():
    image = np.concatenate([np.full((50, 50, 3), level, np.float32) for level in (0.1, 0.8)])
    picture = paint.photograph(image, np.random.default_rng(0), gain=9.0)
    dark, bright = picture[:50].astype(float), picture[50:].astype(float)
    assert dark.mean() == pytest.approx(25.5, abs=0.2)
    assert bright.mean() == pytest.approx(204, abs=0.3)
    assert dark.var() == pytest.approx(0.1 * 9 + 0.4 + 1 / 12, rel=0.1)  # and rounding
    assert bright.var() == pytest.approx(0.8 * 9 + 0.4 + 1 / 12, rel=0.1)


def test_a_png_keeps_its_colours(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "größe.png"
    paint.write_png(path, image)
    read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read, image)

"""What an inspector says of quantities."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.inspector import Inspector, Passport, measuring
from inspection.models.thermal_pool import ThermalPool

LOW, HIGH = 1000, 3000


def passport(alarm=None, **geometry):
    levels = {"black_level": LOW, "white_level": HIGH, "depth": 16} | geometry
    decision = Quantities(["maximum", "average", "minimum"], "K", [350, 300, 290], [20, 5, 4], alarm=alarm)
    return Passport(
        task="thermal",
        question="How hot?",
        network={
            "_target_": "inspection.models.thermal_pool.ThermalPool",
            "in_channels": 1,
            "num_outputs": 3,
        },
        decision=decision.to_dict(),
        mean=(0.3,),
        std=(0.2,),
        geometry=Geometry(image_size=(48, 64), **levels).to_dict(),
        window=[230.0, 430.0],
    )


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return ThermalPool(1, 3).state_dict()


@pytest.fixture
def image():
    """96 x 128 camera pixels with one hot place."""
    raw = np.random.default_rng(0).normal(1500, 10, (96, 128))
    raw[20:40, 60:90] = 2800
    return raw.astype(np.uint16)


def test_quantities_come_in_order_and_are_the_networks(weights, image):
    inspector = Inspector.of(passport(), weights)
    (verdict,) = inspector.inspect([image])
    with torch.no_grad():
        outputs = inspector.model(torch.from_numpy(inspector.geometry.apply(image))[None])
    expected = inspector.decision.values(outputs)[0].tolist()
    assert list(verdict.quantities) == ["maximum", "average", "minimum"]
    assert list(verdict.quantities.values()) == pytest.approx(expected)
    assert expected == sorted(expected, reverse=True)
    assert verdict.label.startswith("maximum ")
    assert verdict.boxes == []


def test_hot_spots_are_places_in_the_camera_image(weights, image):
    (verdict,) = Inspector.of(passport(), weights).inspect([image], heatmaps=True)
    (box,) = verdict.boxes
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((60, 20, 90, 40), abs=2)
    assert 230 + box.score * 200 == pytest.approx(230 + (2800 - LOW) / (HIGH - LOW) * 200, abs=1)


def test_the_alarm_is_the_verdict_and_can_be_moved(weights, image):
    inspector = Inspector.of(passport({"maximum": 0.0}), weights)
    (verdict,) = inspector.inspect([image])
    assert (verdict.label, verdict.called) == ("alarm", {"alarm": True})
    (quiet,) = inspector.with_threshold(9999.0).inspect([image])
    assert (quiet.label, quiet.called) == ("no alarm", {"alarm": False})
    assert quiet.quantities == verdict.quantities
    with pytest.raises(InputError, match="no alarm to move"):
        Inspector.of(passport(), weights).with_threshold(300.0)
    named = Inspector.of(passport(), weights).with_threshold({"minimum": 0.0})
    assert named.inspect([image])[0].label == "alarm"


def test_words_and_cells_of_a_verdict(weights, image):
    for alarm in (None, {"maximum": 0.0}):
        inspector = Inspector.of(passport(alarm), weights)
        answers, (verdict,) = inspector.answers, inspector.inspect([image])
        assert len(answers.columns()) == len(answers.cells(verdict))
        assert len(answers.headings()) == len(answers.figures(verdict))
        assert answers.columns()[:4] == ["maximum_K", "average_K", "minimum_K", "pixels_maximum_K"]
        assert set(answers.tally(verdict)) <= set(answers.tallied())
    assert answers.cells(verdict)[-1] == "True"
    assert "alarm at a measured maximum of 0 K or more" in answers.operating_point()


PEAK = 230 + (2800 - LOW) / (HIGH - LOW) * 200  # of `image`
STEP = 200 / 255


def test_the_pixels_own_maximum_stands_beside_what_the_network_says(weights, image):
    answers = Inspector.of(passport(), weights).answers
    (verdict,) = Inspector.of(passport(), weights).inspect([image])
    assert verdict.peak == pytest.approx(PEAK, abs=STEP)
    assert float(answers.cells(verdict)[3]) == pytest.approx(verdict.peak, abs=1e-3)
    assert answers.headings() == ["pixels' maximum (K)"]
    assert answers.figures(verdict) == [f"{verdict.peak:.1f}"]


@pytest.mark.parametrize(
    ("said", "alarm", "speaks"),
    [
        (400.0, {"maximum": 405.0}, True),
        (400.0, {"maximum": PEAK + 0.4 * STEP}, True),  # within half a step
        (400.0, {"maximum": 412.0}, False),  # the pixels do not reach it either
        (406.0, {"maximum": 405.0}, False),  # the alarm is raised
        (400.0, {"average": 405.0}, False),  # one hot pixel is no hot average
    ],
)
def test_pixels_that_reach_an_alarm_that_is_not_raised_are_not_silent(
    weights, image, monkeypatch, said, alarm, speaks
):
    titles = []

    def panel(picture, boxes, lines, **settings):
        titles.append(lines)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(measuring, "thermal_panel", panel)
    inspector = Inspector.of(passport(alarm), weights)
    values = torch.tensor([[said, 300.0, 290.0]], dtype=torch.float64)
    monkeypatch.setattr(inspector.trained.graph.decision, "values", lambda outputs: values)
    (verdict,) = inspector.inspect([image])
    assert ("reaches the alarm" in inspector.answers.figures(verdict)[-1]) == speaks
    inspector.answers.overlay("a.png", inspector.geometry.picture(image), verdict)
    numbers = [f"maximum {said:.1f} K", "average 300.0 K", "minimum 290.0 K"]
    own = [f"but the pixels say {verdict.peak:.1f} K, which reaches it"] if speaks else []
    assert titles == [["a.png", verdict.label, *own, *numbers]]


def test_the_overlay_is_of_the_camera_image(weights, image):
    inspector = Inspector.of(passport({"maximum": 0.0}), weights)
    (verdict,) = inspector.inspect([image], heatmaps=True)
    panel = inspector.answers.overlay("ü.png", inspector.geometry.picture(image), verdict)
    assert panel.dtype == np.uint8
    assert panel.shape[2] == 3


def test_an_8_bit_image_is_refused_by_a_radiometric_inspector_and_taken_by_one_with_automatic_gain(
    weights, image
):
    small = (image // 16).astype(np.uint8)
    with pytest.raises(InputError, match="has 8 bits a pixel; expected 16"):
        Inspector.of(passport(), weights).inspect([small])
    free = {"black_level": 0, "white_level": None, "depth": None, "auto_gain": True}
    inspector = Inspector.of(passport(**free), weights)
    one, other = inspector.inspect([image, (image.astype(int) * 7).clip(0, 65535).astype(np.uint16)])
    assert one.quantities == pytest.approx(other.quantities, abs=0.5)  # no absolute scale


def test_without_a_window_the_pixels_say_nothing(weights, image):
    bare = replace(passport({"maximum": 0.0}, black_level=0, white_level=None, auto_gain=True), window=None)
    inspector = Inspector.of(bare, weights)
    (verdict,) = inspector.inspect([image])
    answers = inspector.answers
    assert verdict.peak is None
    assert answers.columns() == ["maximum_K", "average_K", "minimum_K", "alarm"]
    assert len(answers.cells(verdict)) == 4
    assert len(answers.figures(verdict)) == len(answers.headings()) == 3


def test_survives_the_file(weights, image, tmp_path):
    inspector = Inspector.of(passport({"maximum": 380.0}), weights)
    inspector.save(tmp_path / "inspector.safetensors")
    again = Inspector.load(tmp_path / "inspector.safetensors")
    assert again.passport == inspector.passport
    assert again.inspect([image]) == inspector.inspect([image])

"""What is explained of each kind of inspector, and as which score."""

import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.explain.cam import heatmap
from inspection.inspector import Inspector, Passport
from inspection.inspector.evidence import CalledPixels, subject_of, watched_scores
from inspection.inspector.network import build_network
from inspection.models.unet import UNet

CNN = {"_target_": "inspection.models.small_cnn.SmallCNN", "in_channels": 1, "num_classes": 3, "width": 4}
POOL = {
    "_target_": "inspection.models.thermal_pool.ThermalPool",
    "in_channels": 1,
    "num_outputs": 3,
    "width": 4,
}
UNET = {"_target_": "inspection.models.unet.UNet", "in_channels": 1, "width": 2}
YOLO = {"_target_": "inspection.models.simple_yolo.SimpleYolo"}
QUANTITIES = {
    "kind": "quantities",
    "names": ["maximum", "average", "minimum"],
    "unit": "K",
    "centre": [350.0, 300.0, 290.0],
    "scale": [20.0, 5.0, 5.0],
    "ordered": True,
    "alarm": {"average": 360.0},
}
CLASSES = {"kind": "one_of", "names": ["ok", "bent", "dirty"], "defect": "bent", "threshold": 0.5}

AREA = {"kind": "area", "names": ["ok", "defect"], "defect": "defect", "threshold": 0.2, "min_area": 1}


def inspector(network, decision, **given):
    torch.manual_seed(0)
    passport = Passport(
        task="test",
        question="What is it?",
        network=network,
        decision=decision,
        mean=(0.5,),
        std=(0.25,),
        geometry=Geometry((32, 48)).to_dict(),
        **given,
    )
    return Inspector.of(passport, build_network(network).state_dict())


IMAGES = torch.randint(0, 256, (3, 1, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_classes_are_explained_by_their_logits_and_watched_by_their_probabilities():
    asked = inspector(CNN, CLASSES)
    subject = subject_of(asked)
    assert subject.names == ("ok", "bent", "dirty")
    assert subject.usual == [1]
    assert subject.network is asked.model
    with torch.inference_mode():
        probabilities = asked.model(IMAGES).double().softmax(1)
    torch.testing.assert_close(watched_scores(subject)(IMAGES), probabilities)


def test_attributes_with_a_colour_are_the_usual_ones():
    some = {"kind": "any_of", "names": ["good", "error", "break"], "thresholds": {}}
    assert subject_of(inspector(CNN, some)).usual == [0, 1, 2]
    assert subject_of(inspector(CNN, some, colours=[["break", "green"], ["error", "blue"]])).usual == [2, 1]


def test_quantities_are_in_their_unit_and_the_one_with_the_alarm_is_usual():
    asked = inspector(POOL, QUANTITIES)
    subject = subject_of(asked)
    assert subject.usual == [1]
    values = watched_scores(subject)(IMAGES)
    verdicts = asked.inspect_pixels(list(IMAGES.numpy()), [(32, 48)] * 3)
    for row, verdict in enumerate(verdicts):
        assert values[row].tolist() == pytest.approx(list(verdict.quantities.values()), rel=1e-5)
    # The largest is a step above the average: its gradient holds that of the average.
    found = heatmap(subject.network, IMAGES, 0, method="grad_cam")
    assert found.maps.shape == (3, 32, 48)
    assert found.evidence.any()


def test_a_mask_is_explained_by_what_is_called():
    asked = inspector(UNET, AREA)
    subject = subject_of(asked)
    assert subject.names == ("defect",)
    assert subject.usual == [0]
    with torch.inference_mode():
        logits = asked.model(IMAGES)
    limit = torch.logit(torch.tensor(0.2))
    assert heatmap(subject.network, IMAGES, 0).method == "layer_cam"
    by_hand = (logits - limit).clamp_min(0).mean((1, 2, 3))
    torch.testing.assert_close(watched_scores(subject)(IMAGES)[:, 0], by_hand)


def test_the_gradient_of_called_pixels_is_that_of_their_logits():
    torch.manual_seed(0)
    network = UNet(1, width=2).eval()
    network.head.bias.data.zero_()
    images = IMAGES.float() / 255
    images.requires_grad_()
    logits = network(images)
    (expected,) = torch.autograd.grad(logits[logits >= 0].sum() / (32 * 48), images)
    (found,) = torch.autograd.grad(CalledPixels(network, 0.5)(images).sum(), images)
    torch.testing.assert_close(found, expected)


def test_boxes_are_their_own_evidence():
    network = YOLO | {"in_channels": 1, "image_size": [32, 64], "num_classes": 2, "width": 4}
    decision = {"kind": "boxes", "names": ["fan", "pump"], "score": 0.5}
    assert subject_of(inspector(network, decision)) is None


@pytest.mark.parametrize(
    ("asked", "targets"),
    [(None, [1]), ("dirty", [2]), ("predicted", [None]), ("all", [0, 1, 2])],
)
def test_targets_by_name(asked, targets):
    assert subject_of(inspector(CNN, CLASSES)).targets(asked) == targets


@pytest.mark.parametrize(
    ("asked", "places"),
    [(None, {1}), ("predicted", {1}), ("all", {1}), ("dirty", {1, 2})],
)
def test_masks_of_defects_belong_to_the_defect_class_or_what_was_asked_for(asked, places):
    assert subject_of(inspector(CNN, CLASSES)).pointed_at(asked) == places


def test_without_a_defect_class_masks_belong_to_whatever_is_called():
    assert subject_of(inspector(CNN, CLASSES | {"defect": None})).pointed_at("predicted") == {0, 1, 2}


def test_a_class_that_is_called_all_is_that_class():
    named = CLASSES | {"names": ["all", "bent", "dirty"]}
    assert subject_of(inspector(CNN, named)).targets("all") == [0]


def test_unknown_targets_are_answered_with_the_names():
    with pytest.raises(InputError, match="target=bend: expected ok, bent, dirty, predicted, all or null"):
        subject_of(inspector(CNN, CLASSES)).targets("bend")
    with pytest.raises(InputError, match="target=predicted: expected maximum, average, minimum, all or null"):
        subject_of(inspector(POOL, QUANTITIES)).targets("predicted")

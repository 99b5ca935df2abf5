import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from inspection.errors import InputError
from inspection.models.torchvision_detector import TorchvisionDetector

SSDLITE = "ssdlite320_mobilenet_v3_large"
FASTERRCNN = "fasterrcnn_mobilenet_v3_large_320_fpn"
BOXES = torch.tensor([[[10.0, 20, 60, 90], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
CLASSES = torch.tensor([[1, -1], [-1, -1]])


@pytest.fixture(scope="module")
def ssdlite():
    torch.manual_seed(0)
    return TorchvisionDetector(SSDLITE, 2, least_score=0.0)


def test_detections_are_torchvisions_own(ssdlite):
    """At 320x320 pixels and with its normalisation undone, torchvision's model says the same."""
    plain = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3).eval()
    plain.load_state_dict(ssdlite.net.state_dict())
    plain.score_thresh, plain.nms_thresh, plain.detections_per_img = 0.0, 0.5, 100
    image = torch.rand(1, 3, 320, 320)
    ssdlite.eval()
    with torch.no_grad():
        found = ssdlite((image - 0.5) / 0.5)[0]
        expected = plain([image[0]])[0]
    number = min(100, len(expected["scores"]))
    torch.testing.assert_close(found[:number, 4], expected["scores"][:number])
    torch.testing.assert_close(found[:5, :4], expected["boxes"][:5], rtol=1e-4, atol=1e-2)
    assert set(found[:, 5].tolist()) <= {0.0, 1.0}  # without the background


@pytest.mark.parametrize("name", [SSDLITE, FASTERRCNN])
def test_learns_in_any_size_also_from_an_empty_image(name):
    torch.manual_seed(0)
    network = TorchvisionDetector(name, 2)
    terms = network.losses(torch.randn(2, 1, 128, 160), BOXES, CLASSES)
    loss = sum(terms.values())
    assert torch.isfinite(loss)
    loss.backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    found = network.eval()(torch.randn(2, 3, 128, 160))
    assert found.shape == (2, 100, 6)
    assert (found[..., 4].diff() <= 0).all()


def test_weights_of_another_number_of_classes_leave_the_classifier_new(tmp_path, ssdlite):
    torch.save(
        {"state_dict": {f"model.{k}": v for k, v in ssdlite.net.state_dict().items()}}, tmp_path / "a.pt"
    )
    network = TorchvisionDetector(SSDLITE, 5, weights=str(tmp_path / "a.pt"))
    assert network.mean == network.std == (0.5, 0.5, 0.5)
    assert "is new" in network.notes[-1]
    own, given = network.net.state_dict(), ssdlite.net.state_dict()
    assert torch.equal(own["head.regression_head.module_list.0.1.weight"],
                       given["head.regression_head.module_list.0.1.weight"])  # fmt: skip
    name = "head.classification_head.module_list.0.1.bias"
    assert own[name].shape == (6 * 6,)
    assert "classifier too" in TorchvisionDetector(SSDLITE, 2, weights=str(tmp_path / "a.pt")).notes[-1]


def test_wrong_weights(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    with pytest.raises(InputError, match="does not hold the weights"):
        TorchvisionDetector(SSDLITE, 2, weights=str(tmp_path / "a.pt"))
    with pytest.raises(InputError, match="expected coco, null"):
        TorchvisionDetector(SSDLITE, 2, weights=str(tmp_path / "b.pt"))
    torch.hub.set_dir(str(tmp_path))
    with pytest.raises(InputError, match=r"model.weights=coco: ssdlite320.*nothing is downloaded unasked"):
        TorchvisionDetector(SSDLITE, 2, weights="coco")


def test_frozen_batch_norms_stay_as_they_are():
    network = TorchvisionDetector(SSDLITE, 2, freeze_batch_norm=True).train()
    before = {k: v.clone() for k, v in network.net.state_dict().items() if "running" in k}
    network.losses(torch.randn(2, 3, 128, 160), BOXES, CLASSES)
    after = network.net.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


@pytest.mark.parametrize(("name", "meant"), [("ssdlite", "ssdlite320"), ("resnet18", "fasterrcnn_")])
def test_unknown_detector(name, meant):
    with pytest.raises(ValueError, match=meant):
        TorchvisionDetector(name, 2)


@pytest.mark.parametrize(
    ("name", "mean"),
    [(SSDLITE, (0.5, 0.5, 0.5)), ("fasterrcnn_mobilenet_v3_large_320_fpn", (0.485, 0.456, 0.406))],
)
def test_goes_on_without_its_file_of_weights_and_normalised_alike(name, mean):
    arguments = {"name": name, "num_classes": 2, "weights": "gone.pt", "freeze_batch_norm": True}
    bare = TorchvisionDetector.without_weights_file(arguments)
    network = TorchvisionDetector(**bare)
    assert network.mean == mean
    assert (bare["weights"], bare["freeze_batch_norm"]) == (None, True)
    plain = {"name": name, "num_classes": 2}
    assert TorchvisionDetector.without_weights_file(plain) == plain


@pytest.mark.parametrize("name", [SSDLITE, FASTERRCNN])
@pytest.mark.parametrize("place", ["backbone", "last"])
def test_a_diverged_network_does_not_say_that_there_is_nothing(name, place):
    network = TorchvisionDetector(name, 2).eval()
    weights = next(iter(network.net.backbone.parameters())) if place == "backbone" else None
    if weights is None:
        weights = dict(network.named_parameters())[
            "net.roi_heads.box_predictor.cls_score.weight"
            if name == FASTERRCNN
            else "net.head.classification_head.module_list.0.1.weight"
        ]
    with torch.no_grad():
        weights.fill_(torch.nan)
        assert network(torch.rand(2, 3, 128, 160))[..., 4].isnan().all()

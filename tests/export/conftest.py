import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.explain.cam import heatmap_method
from inspection.inspector import Inspector, Passport
from inspection.inspector.files import FORMAT
from inspection.inspector.network import build_network
from inspection.inspector.passport import write_passport

KINDS = {
    "defect": {"kind": "one_of", "names": ["ok", "defect"], "defect": "defect", "temperature": 1.7},
    "classes": {"kind": "one_of", "names": ["a", "b", "c"], "defect": None, "temperature": 0.6},
    "attributes": {"kind": "any_of", "names": ["a", "b", "c"], "temperatures": {"a": 2.0, "c": 0.5}},
    "located": {"kind": "located", "names": ["ok", "defect"], "defect": "defect", "temperature": 1.3},
    "mask": {"kind": "area", "names": ["ok", "defect"], "defect": "defect", "min_area": 3},
    "boxes": {"kind": "boxes", "names": ["a", "b", "c"]},
    "quantities": {
        "kind": "quantities",
        "names": ["maximum", "mean", "minimum"],
        "unit": "K",
        "centre": [350, 300, 290],
        "scale": [20, 5, 5],
        "alarm": {"maximum": 360},
    },
}


def vivid(network):
    """Random weights that tell images apart: batch norms that do something, a detector that finds much."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    if hasattr(network, "raw"):  # a one-stage detector
        torch.nn.init.normal_(network.head.weight, std=0.3)
        torch.nn.init.normal_(network.head.bias)
    return network.eval()


@pytest.fixture(scope="session")
def make_inspector():
    def make(target, size, channels, kind, *, passport=None, **arguments):
        torch.manual_seed(0)
        network = {"_target_": f"inspection.models.{target}", **arguments}
        built = vivid(build_network(network))
        further = {"heatmap_method": heatmap_method(built), **(passport or {})}
        geometry = Geometry(image_size=size, channels=channels).to_dict()
        half = (0.5,) * channels
        made = Passport("task", "question", network, KINDS[kind], half, half, geometry, **further)
        return Inspector.of(made, built.state_dict())

    return make


@pytest.fixture(scope="session")
def lenet(make_inspector):
    return make_inspector(
        "lenet.LeNet", (40, 60), 1, "defect", in_channels=1, image_size=[40, 60], num_classes=2
    )


@pytest.fixture(scope="session")
def metadata():
    def make(inspector, precision="float32"):
        passport = write_passport(inspector.passport)
        return {"format": FORMAT, "graph": "an id", "precision": precision, "passport": passport}

    return make


@pytest.fixture(scope="session")
def some_images():
    """Images with blocks of 4x4 pixels; the last one is flat, so that values tie everywhere."""

    def make(inspector, count, flat=True):
        channels, height, width = inspector.geometry.shape
        shape = (count, channels, -(-height // 4), -(-width // 4))
        blocks = np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)
        images = blocks.repeat(4, 2).repeat(4, 3)[:, :, :height, :width].copy()
        if count > 1 and flat:
            images[-1] = 37
        return images

    return make

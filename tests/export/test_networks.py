"""Each network of the project says the same as it was trained and as an ONNX file, whatever the batch."""

import numpy as np
import pytest

from inspection.export.formats.onnx import write_onnx
from inspection.export.program import exported_program
from inspection.inspector import Inspector

NETWORKS = {
    "LeNet, flips": ("lenet.LeNet", (40, 60), 1, "classes", {"flips": ["horizontal", "vertical"]}, ["size"]),
    "LeNet, Grad-CAM": ("lenet.LeNet", (40, 60), 1, "defect", {"heatmap_method": "grad_cam"}, ["size"]),
    "LeNet, Grad-CAM++": (
        "lenet.LeNet",
        (40, 60),
        1,
        "defect",
        {"heatmap_method": "grad_cam_plus_plus"},
        ["size"],
    ),
    "SeamResNet": (
        "seam_resnet.SeamResNet",
        (40, 56),
        3,
        "attributes",
        {"colours": [["c", "red"], ["a", "blue"]]},
        ["size"],
    ),
    "SeamResNet, Layer-CAM": (
        "seam_resnet.SeamResNet",
        (40, 56),
        3,
        "attributes",
        {"heatmap_method": "layer_cam", "colours": [["b", "red"]]},
        ["size"],
    ),
    "CIFAR10Net": ("cifar10_net.CIFAR10Net", (32, 32), 3, "classes", {}, ["size"]),
    "SimpleCNN": ("simple_cnn.SimpleCNN", (40, 48), 3, "classes", {}, ["size"]),
    "SmallCNN": ("small_cnn.SmallCNN", (40, 48), 1, "defect", {}, []),
    "CamNetwork, VGG": ("cam_net.CamNetwork", (64, 64), 3, "classes", {}, ["vgg11"]),
    "CamNetwork, ResNet, located": ("cam_net.CamNetwork", (64, 64), 1, "located", {}, ["resnet18"]),
    "CamNetwork, MobileNet": ("cam_net.CamNetwork", (64, 64), 3, "defect", {}, ["mobilenet_v2"]),
    "UNet": ("unet.UNet", (40, 56), 1, "mask", {}, [{"width": 4}]),
    "UNet, tiles": ("unet.UNet", (64, 88), 1, "mask", {}, [{"width": 4, "tile": 64, "overlap": 32}]),
    "SimpleYolo": ("simple_yolo.SimpleYolo", (64, 96), 3, "boxes", {}, ["size", {"stride": 8, "width": 8}]),
    "ThermalCNN": ("thermal_cnn.ThermalCNN", (32, 40), 1, "quantities", {}, ["size"]),
    "ThermalPool": ("thermal_pool.ThermalPool", (32, 40), 1, "quantities", {"flips": ["horizontal"]}, []),
    "ResNet": ("backbone.TorchvisionNetwork", (64, 64), 3, "classes", {}, ["resnet18"]),
    "MobileNet": ("backbone.TorchvisionNetwork", (64, 64), 3, "classes", {}, ["mobilenet_v2"]),
}


def built(make_inspector, name):
    target, size, channels, kind, passport, further = NETWORKS[name]
    arguments = {"classes": 3, "attributes": 3, "defect": 2, "located": 2, "boxes": 3}
    said = {"num_classes": arguments[kind]} if kind in arguments else {}
    if kind == "quantities":
        said = {"num_outputs": 3}
    if not target.startswith(("backbone", "cam_net")):
        said["in_channels"] = channels
    if target.startswith("cam_net"):
        said["frozen"] = 0
    for each in further:
        said |= (
            {"image_size": list(size)}
            if each == "size"
            else each
            if isinstance(each, dict)
            else {"name": each}
        )
    return make_inspector(target, size, channels, kind, passport=passport, **said)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_network(make_inspector, metadata, some_images, tmp_path, name):
    inspector = built(make_inspector, name)
    write_onnx(exported_program(inspector), tmp_path / "x.onnx", metadata(inspector))
    exported = Inspector.load(tmp_path / "x.onnx")
    outputs = inspector.backend.outputs
    assert exported.backend.outputs == outputs
    for count in (1, 3):
        images = some_images(inspector, count, flat="Yolo" not in name)
        expected, said = (each.backend.run(images, outputs) for each in (inspector, exported))
        for output in outputs:
            assert said[output].dtype == expected[output].dtype, output
            np.testing.assert_allclose(said[output], expected[output], rtol=0, atol=1e-4, err_msg=output)
    if "heatmaps" in outputs:
        assert 0 < expected["heatmaps"].mean() < 1
    if "boxes" in outputs:
        assert (expected["boxes"][..., 4] > 0).sum() > 50

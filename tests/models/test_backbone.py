import contextlib
import re
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import get_model, list_models, regnet

from inspection.explain.cam import heatmap
from inspection.inspector.network import fit_weights
from inspection.models.backbone import TorchvisionNetwork
from inspection.models.normalised import Normalised

SMALL = "shufflenet_v2_x0_5"  # 0.3 M parameters, with batch norm

# family: head, where the last block begins, the last maps
FAMILIES = {
    "alexnet": ("classifier.6", "features.6", "features"),
    "convnext_.*": ("classifier.2", "features.6", "features"),
    "densenet.*": ("classifier", "features.transition3", "features"),
    "efficientnet_.*": ("classifier.1", "features.6", "features"),
    "googlenet": ("fc", "inception5a", "inception5b"),
    "inception_v3": ("fc", "Mixed_7a", "Mixed_7c"),
    "maxvit_t": ("classifier.5", "blocks.3", "blocks.3"),
    "mnasnet.*": ("classifier.1", "layers.12", "layers"),
    "mobilenet_v2": ("classifier.1", "features.14", "features"),
    "mobilenet_v3_large": ("classifier.3", "features.13", "features"),
    "mobilenet_v3_small": ("classifier.3", "features.9", "features"),
    "regnet_.*": ("fc", "trunk_output.block4", "trunk_output"),
    "(wide_)?resne.*": ("fc", "layer4", "layer4"),
    "shufflenet_.*": ("fc", "stage4", "conv5"),
    "squeezenet1_0": ("classifier.1", "features.12", "features"),
    "squeezenet1_1": ("classifier.1", "features.9", "features"),
    "swin_.*": ("head", "features.7", "permute"),
    "vgg11": ("classifier.6", "features.16", "features"),
    "vgg11_bn": ("classifier.6", "features.22", "features"),
    "vgg13": ("classifier.6", "features.20", "features"),
    "vgg13_bn": ("classifier.6", "features.28", "features"),
    "vgg16": ("classifier.6", "features.24", "features"),
    "vgg16_bn": ("classifier.6", "features.34", "features"),
    "vgg19": ("classifier.6", "features.28", "features"),
    "vgg19_bn": ("classifier.6", "features.40", "features"),
    "vit_b_.*": ("heads.head", "encoder.layers.encoder_layer_11", "conv_proj"),
    "vit_h_.*": ("heads.head", "encoder.layers.encoder_layer_31", "conv_proj"),
    "vit_l_.*": ("heads.head", "encoder.layers.encoder_layer_23", "conv_proj"),
}


@pytest.fixture
def shapes_only(monkeypatch):
    """Networks without numbers: the largest has 640 M parameters."""
    plan = regnet.BlockParams.from_init_params

    def planned(*args, **kwargs):  # RegNet reads the widths of its blocks out of tensors
        with torch.device("cpu"):
            return plan(*args, **kwargs)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", planned)
    with torch.device("meta"):
        yield


def count(parameters):
    return sum(p.numel() for p in parameters)


def pretrained(tmp_path, name=SMALL, classes=1000):
    """A file of weights that no training made, with batch norms that have seen images."""
    torch.manual_seed(1)
    network = get_model(name, num_classes=classes).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 64))
    path = tmp_path / f"{name}.pth"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models(module=torchvision.models))
def test_every_network_of_torchvision(name, shapes_only):
    ((head, last_block, maps),) = (known for family, known in FAMILIES.items() if re.fullmatch(family, name))
    network = TorchvisionNetwork(name, 3)
    seen = {}
    for place in (f"net.{head}", network.heatmap_layer):
        network.get_submodule(place).register_forward_hook(
            lambda _, __, output, place=place: seen.update({place: output})
        )
    network.eval()
    logits = network(torch.empty(2, 1, 224, 224))
    assert logits.shape == (2, 3)
    assert count(network.head_parameters()) == count(network.net.get_submodule(head).parameters())
    assert seen[f"net.{head}"].shape[:2] == (2, 3)
    assert network.heatmap_layer == f"net.{maps}"
    batch, channels, height, width = seen[network.heatmap_layer].shape
    assert (batch, height) == (2, width)
    assert channels >= 256 > width > 1
    # training mode gives logits too, and not the tuples of networks with second heads
    assert network.train()(torch.empty(2, 3, 224, 224)).shape == (2, 3)

    network._freeze("auto", freeze_batch_norm=False, pretrained=True)
    names = [name for name, p in network.net.named_parameters() if p.requires_grad]
    assert names[0].startswith(f"{last_block}.")
    assert names[-1].startswith(f"{head}.")
    assert names == [name for name, _ in network.net.named_parameters()][-len(names) :]


@pytest.mark.parametrize(
    ("name", "total", "head"),
    [  # those of resnet50 and efficientnet_b0 are published; torchvision's for 1000 classes less the head's
        ("resnet50", 23_514_179, 6_147),
        ("efficientnet_b0", 4_011_391, 3_843),
        ("resnet18", 11_689_512 - 513_000 + 1_539, 1_539),
        ("mobilenet_v2", 3_504_872 - 1_281_000 + 3_843, 3_843),
        ("vgg16", 138_357_544 - 4_097_000 + 12_291, 12_291),
        ("convnext_tiny", 28_589_128 - 769_000 + 2_307, 2_307),
    ],
)
def test_parameters_of_the_ready_made_networks(name, total, head, shapes_only):
    network = TorchvisionNetwork(name, 3)
    assert count(network.parameters()) == total
    assert count(network.head_parameters()) == head
    assert count(network.backbone_parameters()) == total - head
    everything = {id(p) for p in network.parameters()}
    assert {id(p) for p in (*network.head_parameters(), *network.backbone_parameters())} == everything


def test_is_torchvision_s_own_function():
    """Dropout before the head and all: the same random numbers give the same logits."""
    images = torch.randn(4, 3, 64, 64)
    logits = []
    for build in (get_model, TorchvisionNetwork):
        torch.manual_seed(0)
        network = build("mobilenet_v3_small", num_classes=3)
        logits.append(network(images))
    torch.testing.assert_close(logits[0], logits[1])


def test_grey_is_equal_red_green_and_blue():
    torch.manual_seed(0)
    network = TorchvisionNetwork("squeezenet1_1", 2).eval()
    grey = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    rgb = grey.expand(-1, 3, -1, -1)
    for mean, std in (((0.5,), (0.2,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))):
        model = Normalised(network, mean, std)
        torch.testing.assert_close(model(grey), Normalised(network, (mean * 3)[:3], (std * 3)[:3])(rgb))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt50", "did you mean resnet50"),
        ("ResNet50", "did you mean resnet50"),
        ("fasterrcnn_resnet50_fpn", "a network for detection"),
        ("fcn_resnet50", "a network for segmentation"),
        ("r3d_18", "a network for video"),
        ("quantized_resnet18", "a network for quantization"),
        ("raft_small", "a network for optical_flow"),
        ("zzz", "there is alexnet, convnext_base"),
    ],
)
def test_what_is_no_classification_network_is_refused(name, message):
    with pytest.raises(ValueError, match=f"name={name}: .*{message}"):
        TorchvisionNetwork(name, 2)


def test_without_weights_everything_is_trained():
    network = TorchvisionNetwork(SMALL, 2)
    assert all(p.requires_grad for p in network.parameters())
    assert network.mean is None
    assert network.std is None
    assert network.notes == []


def test_with_weights_the_last_block_and_the_head_are(tmp_path):
    network = TorchvisionNetwork(SMALL, 2, pretrained(tmp_path))
    trained = {name.split(".")[0] for name, p in network.net.named_parameters() if p.requires_grad}
    assert trained == {"stage4", "conv5", "fc"}
    assert (network.mean, network.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert "the head (fc) is new" in network.notes[0]
    assert "stage4" in network.notes[1]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["head"], {"fc.weight", "fc.bias"}),
        (["fc.bias", "conv5.0"], {"fc.bias", "conv5.0.weight"}),
        (["conv5.*"], {"conv5.0.weight", "conv5.1.weight", "conv5.1.bias"}),
        (["conv[15]"], {f"conv{n}.{k}" for n in (1, 5) for k in ("0.weight", "1.weight", "1.bias")}),
    ],
)
def test_patterns_name_parameters_or_modules(patterns, expected):
    network = TorchvisionNetwork(SMALL, 2, trainable=patterns)
    assert {name for name, p in network.net.named_parameters() if p.requires_grad} == expected


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["head", "stage5"], "'stage5' matches nothing in this network; there is stage[432]"),
        (["zzzzzzzz"], "there is conv1, stage2, stage3, stage4, conv5, fc, head"),
        ([], r"expected auto, or a list"),
        ("head", r"trainable=head: expected auto, or a list"),
    ],
)
def test_patterns_that_match_nothing_are_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        TorchvisionNetwork(SMALL, 2, trainable=patterns)


def test_new_head_on_pretrained_weights_is_to_be_trained(tmp_path):
    file = pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"trainable=\['conv5'\]: the head \(fc\) is new .*; add head"):
        TorchvisionNetwork(SMALL, 2, file, trainable=["conv5"])
    TorchvisionNetwork(SMALL, 2, file, trainable=["conv5", "fc.bias"])
    TorchvisionNetwork(SMALL, 1000, file, trainable=["conv5"])  # the head is in the file


def train(network, steps=3):
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(steps):
        network.eval()  # a validation in between
        network.train()
        optimizer.zero_grad()
        network(torch.randn(8, 3, 64, 64) + 3).square().mean().backward()
        optimizer.step()


def changed(network, before):
    return {name for name, value in network.net.state_dict().items() if not value.equal(before[name])}


def test_what_is_frozen_does_not_move_nor_do_its_statistics(tmp_path):
    network = TorchvisionNetwork(SMALL, 2, pretrained(tmp_path))
    before = {name: value.clone() for name, value in network.net.state_dict().items()}
    train(network)
    moved = changed(network, before)
    assert {name.split(".")[0] for name in moved} == {"stage4", "conv5", "fc"}
    assert {"conv5.1.running_mean", "conv5.1.running_var", "conv5.1.num_batches_tracked"} <= moved


def test_batch_norm_can_stay_frozen_in_trained_blocks(tmp_path):
    network = TorchvisionNetwork(SMALL, 2, pretrained(tmp_path), freeze_batch_norm=True)
    before = {name: value.clone() for name, value in network.net.state_dict().items()}
    train(network)
    moved = changed(network, before)
    assert {name.split(".")[0] for name in moved} == {"stage4", "conv5", "fc"}
    norms = {name for name, module in network.net.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert not {name.rpartition(".")[0] for name in moved} & norms


def test_mode_of_everything_else_is_as_asked_for(tmp_path):
    network = TorchvisionNetwork(SMALL, 2, pretrained(tmp_path), trainable=["head"])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    others = [m for m in network.modules() if not isinstance(m, nn.BatchNorm2d)]
    assert norms
    for mode in (True, False, True):  # the first is that of a new network
        assert not any(m.training for m in norms)
        assert all(m.training == mode for m in others)
        network.train(not mode)


def test_folded_batch_norms_are_not_trained(tmp_path):
    network = get_model(SMALL, num_classes=5)  # mean 0 and variance 1
    torch.save(network.state_dict(), tmp_path / "folded.pth")
    with pytest.raises(ValueError, match=r"mean 0 and variance 1[^\n]*\n.*model.freeze_batch_norm=true"):
        TorchvisionNetwork(SMALL, 2, str(tmp_path / "folded.pth"))
    for settings in ({"freeze_batch_norm": True}, {"trainable": ["head"]}):
        TorchvisionNetwork(SMALL, 2, str(tmp_path / "folded.pth"), **settings)


@pytest.mark.parametrize(
    ("mean", "variance", "folded"),
    [(0.0, 1.005, True), (0.0, 1.02, False), (0.0, 0.9, False), (0.1, 1.0, False)],
)
def test_which_batch_norms_count_as_folded(tmp_path, mean, variance, folded):
    network = get_model(SMALL, num_classes=5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(mean)
            module.running_var.fill_(variance)
    torch.save(network.state_dict(), tmp_path / "x.pth")
    with pytest.raises(ValueError, match="mean 0 and variance 1") if folded else contextlib.nullcontext():
        TorchvisionNetwork(SMALL, 2, str(tmp_path / "x.pth"))


def test_is_rebuilt_without_the_pretrained_weights(tmp_path):
    trained = TorchvisionNetwork(SMALL, 2, pretrained(tmp_path), mean=(0.5,) * 3, std=(0.25,) * 3)
    train(trained)
    rebuilt = TorchvisionNetwork(SMALL, 2)
    fit_weights(rebuilt, trained.state_dict(), "it")
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(rebuilt.eval()(images), trained.eval()(images), rtol=0, atol=0)
    assert {name.split(".")[0] for name in trained.state_dict()} == {"net"}  # no mean, no std


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"trainable": ["head"], "freeze_batch_norm": True},
        {"freeze_batch_norm": True, "mean": (0.5,) * 3, "std": (0.25,) * 3},
        {"name": "googlenet"},
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_is_built_alike_without_the_file(tmp_path, settings):
    arguments = {"name": SMALL, "num_classes": 2} | settings
    file = Path(pretrained(tmp_path, arguments["name"]))
    first = TorchvisionNetwork(**arguments, weights=str(file))
    file.unlink()
    second = TorchvisionNetwork(**TorchvisionNetwork.without_weights_file(arguments | {"weights": str(file)}))
    assert (second.mean, second.std) == (first.mean, first.std)
    learning = [{n for n, p in network.named_parameters() if p.requires_grad} for network in (first, second)]
    assert learning[0] == learning[1]
    modes = [[module.training for module in network.train().modules()] for network in (first, second)]
    assert modes[0] == modes[1]
    fit_weights(second, first.state_dict(), "it")


def test_without_weights_there_is_no_file_to_do_without():
    arguments = {"name": SMALL, "num_classes": 2, "weights": None, "trainable": "auto"}
    assert TorchvisionNetwork.without_weights_file(arguments) == arguments


def test_loads_a_state_dict_without_versions():
    """As safetensors gives it. MNASNet refuses its own weights then."""
    first, second = TorchvisionNetwork("mnasnet0_5", 2), TorchvisionNetwork("mnasnet0_5", 2)
    second.load_state_dict(dict(first.state_dict()))
    for name, value in second.state_dict().items():
        torch.testing.assert_close(value, first.state_dict()[name])


@pytest.mark.parametrize("name", ["resnet18", pytest.param("swin_t", marks=pytest.mark.slow)])
def test_heatmap_is_the_class_activation_map(name):
    """Behind global pooling and one linear layer, Grad-CAM is Zhou's map: the class weights times the maps."""
    torch.manual_seed(0)
    network = TorchvisionNetwork(name, 3).eval()
    seen = []
    images, targets = torch.randn(2, 3, 96, 96), torch.tensor([2, 0])
    with network.get_submodule(network.heatmap_layer).register_forward_hook(
        lambda _, __, out: seen.append(out)
    ):
        maps = heatmap(network, images, targets, size=(3, 3), aligned=False)
    by_hand = torch.einsum("nc,nchw->nhw", network.head.weight[targets], seen[0].detach()).relu()
    by_hand /= by_hand.amax(dim=(1, 2), keepdim=True)
    assert maps.evidence.all()
    torch.testing.assert_close(maps.maps, by_hand.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "vit_b_32"])
def test_heatmap_where_places_are_weighed_one_by_one(name):
    torch.manual_seed(0)
    network = TorchvisionNetwork(name, 3).eval()
    nn.init.normal_(network.head.weight)  # a new ViT's is zero
    maps = heatmap(network, torch.randn(1, 3, 224, 224), torch.tensor([1]))
    assert maps.method == "hires_cam"
    assert maps.evidence.all()
    assert maps.maps.shape == (1, 224, 224)

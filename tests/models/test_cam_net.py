from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from inspection.errors import InputError
from inspection.inspector.network import fit_weights
from inspection.models.cam_net import CamNetwork


def count(parameters):
    return sum(p.numel() for p in parameters)


def pretrained(folder: Path, name: str) -> str:
    """A file of weights that no training made, with batch norms that have seen images."""
    torch.manual_seed(1)
    network = get_model(name, num_classes=10).train()
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 64))
    path = folder / f"{name}.pth"
    torch.save(network.state_dict(), path)
    return str(path)


def test_vgg16_has_the_published_parameters():
    network = CamNetwork("vgg16", 2, frozen=10)
    assert count(network.parameters()) == 14_715_714
    assert count(p for p in network.parameters() if p.requires_grad) == 7_080_450
    frozen = [m for m in network.modules() if isinstance(m, nn.Conv2d) and not m.weight.requires_grad]
    assert len(frozen) == 10


@pytest.mark.parametrize(
    ("name", "channels", "stride"),
    [
        ("vgg11", 512, 16),
        ("vgg13_bn", 512, 16),
        ("resnet18", 512, 32),
        ("resnext50_32x4d", 2048, 32),
        ("mobilenet_v2", 1280, 32),
    ],
)
def test_last_maps_of_each_family(name, channels, stride):
    network = CamNetwork(name, 2, frozen=0).eval()
    with torch.no_grad():
        features = network.features(torch.rand(1, 1, 64, 96))
        logits = network(torch.rand(2, 3, 64, 96))
    assert features.shape == (1, channels, 64 // stride, 96 // stride)
    assert logits.shape == (2, 2)


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 16), ("resnet50", 8), ("mobilenet_v2", 16)])
def test_finer_maps_see_what_the_coarse_ones_saw(name, stride):
    """Dilation skips nothing: at the places that both have, the features of an endless image are the same."""
    torch.manual_seed(0)
    coarse, fine = CamNetwork(name, 2, 0).eval(), CamNetwork(name, 2, 0, output_stride=stride).eval()
    fine.load_state_dict(coarse.state_dict())
    images = torch.rand(1, 3, 64, 1).expand(-1, -1, -1, 640).contiguous()  # alike from left to right
    with torch.no_grad():
        one, other = coarse.features(images), fine.features(images)
    factor = 32 // stride
    assert other.shape[-2:] == (one.shape[-2] * factor, one.shape[-1] * factor)
    assert fine.map_grid == (0.0, float(stride))
    middle = slice(one.shape[-1] // 2, one.shape[-1] // 2 + 1)
    torch.testing.assert_close(
        other[..., ::factor, :][..., middle.start * factor], one[..., middle.start], atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize(("name", "stride"), [("vgg16", 8), ("resnet18", 24), ("mobilenet_v2", 64)])
def test_strides_that_a_network_can_not_have(name, stride):
    with pytest.raises(ValueError, match=f"output_stride={stride}: {name} has .* then"):
        CamNetwork(name, 2, 0, output_stride=stride)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_features_are_torchvision_s_own(tmp_path, name):
    file = pretrained(tmp_path, name)
    network = CamNetwork(name, 2, frozen=0, weights=file).eval()
    whole = get_model(name, num_classes=10).eval()
    whole.load_state_dict(torch.load(file))
    seen = []
    last = whole.layer4 if name == "resnet18" else whole.features
    last.register_forward_hook(lambda _, __, output: seen.append(output))
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        whole(images)
        torch.testing.assert_close(network.features(images), seen[0])


def test_start_values_are_spread_as_torchvision_s():
    ours, theirs = (
        CamNetwork("resnet18", 2, frozen=0).backbone.state_dict(),
        get_model("resnet18").state_dict(),
    )
    for name, value in ours.items():
        if value.ndim == 4:
            assert value.std() == pytest.approx(float(theirs[name].std()), rel=0.1)
        else:
            assert value.equal(theirs[name]), name


def test_frozen_layers_and_their_batch_norms_do_not_move(tmp_path):
    network = CamNetwork("resnet18", 2, frozen=5, weights=pretrained(tmp_path, "resnet18"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.eval()
    network.train()
    network(torch.rand(4, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = {
        name.split(".")[1] for name, value in network.state_dict().items() if not value.equal(before[name])
    }
    assert moved == {"layer2", "layer3", "layer4", "linear"}
    assert network.backbone.bn1.training is False
    assert network.backbone.layer2[0].bn1.training is True


def test_weights_bring_their_normalisation_and_say_what_they_are(tmp_path):
    file = pretrained(tmp_path, "resnet18")
    network = CamNetwork("resnet18", 2, frozen=3, weights=file)
    assert (network.mean, network.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert file in network.notes[0]
    assert "3 convolutions are frozen" in network.notes[0]
    own = CamNetwork("resnet18", 2, frozen=3, weights=file, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert own.mean == (0.5,) * 3
    assert CamNetwork("resnet18", 2, frozen=0).mean is None


def test_random_frozen_layers_are_said():
    assert "frozen at random values" in CamNetwork("resnet18", 2, frozen=1).notes[0]
    assert CamNetwork("resnet18", 2, frozen=0).notes == []


def test_folded_batch_norms_are_not_trained(tmp_path):
    torch.save(get_model("resnet18", num_classes=5).state_dict(), tmp_path / "folded.pth")
    with pytest.raises(InputError, match=r"model.freeze_batch_norm=true"):
        CamNetwork("resnet18", 2, frozen=5, weights=str(tmp_path / "folded.pth"))
    network = CamNetwork("resnet18", 2, 5, weights=str(tmp_path / "folded.pth"), freeze_batch_norm=True)
    assert not any(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_another_network_s_weights_are_refused(tmp_path):
    file = pretrained(tmp_path, "mobilenet_v3_small")
    with pytest.raises(InputError, match="does not hold the weights"):
        CamNetwork("resnet18", 2, frozen=0, weights=file)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "resnt18"}, "torchvision has no such network"),
        ({"name": "densenet121"}, "expected a VGG, a ResNet or mobilenet_v2"),
        ({"frozen": 21}, "frozen=21: expected 0 to 20"),
        ({"frozen": -1}, "frozen=-1"),
        ({"num_classes": 0}, "num_classes=0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        CamNetwork(**{"name": "resnet18", "num_classes": 2, "frozen": 0} | settings)


def test_is_built_alike_without_the_file(tmp_path):
    file = Path(pretrained(tmp_path, "resnet18"))
    arguments = {"name": "resnet18", "num_classes": 2, "frozen": 5, "weights": str(file)}
    first = CamNetwork(**arguments)
    file.unlink()
    second = CamNetwork(**CamNetwork.without_weights_file(arguments))
    assert (second.mean, second.std) == (first.mean, first.std)
    assert [p.requires_grad for p in first.parameters()] == [p.requires_grad for p in second.parameters()]
    fit_weights(second, first.state_dict(), "it")
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(second.eval()(images), first.eval()(images), rtol=0, atol=0)

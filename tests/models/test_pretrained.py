from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import ResNet, VisionTransformer, _api, densenet, get_model
from torchvision.models.resnet import BasicBlock

from inspection.errors import InputError
from inspection.models.backbone import TorchvisionNetwork
from inspection.models.pretrained import (
    fit_pretrained,
    matching_normalisation,
    read_state_dict,
    weights_file,
)

SMALL = "squeezenet1_1"  # 1.2 M parameters, no batch norm
FILE = "squeezenet1_1-b8a52dc0.pth"
TENSORS, OF_HEAD = 52, 2
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torch hub, and no way to fill it."""

    def refuse(*args, **kwargs):
        raise AssertionError("downloads")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(1)
    return get_model(SMALL, num_classes=7).state_dict()


def same_body(network, weights):
    return all(
        value.equal(weights[name])
        for name, value in network.net.state_dict().items()
        if "classifier" not in name
    )


# ---------------------------------------------------------------- normalisation


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("resnet18", None, None),
        ("resnet18", "imagenet", IMAGENET),
        ("resnet18", "some.pth", IMAGENET),
        ("efficientnet_v2_l", "imagenet", ((0.5,) * 3, (0.5,) * 3)),
        ("googlenet", "imagenet", ((0.5,) * 3, (0.5,) * 3)),
        ("inception_v3", "imagenet", ((0.5,) * 3, (0.5,) * 3)),
    ],
)
def test_normalisation_is_that_of_the_weights(name, weights, expected):
    assert matching_normalisation(name, weights) == expected
    own = ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert matching_normalisation(name, weights, *own) == tuple(map(tuple, own))


def test_second_normalisation_of_googlenet_is_the_first_one():
    """torchvision's GoogLeNet gets ImageNet's and converts it within."""
    network = get_model("googlenet", aux_logits=False, init_weights=False, transform_input=True)
    images = torch.rand(2, 3, 4, 4)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    torch.testing.assert_close(network._transform_input((images - mean) / std), (images - 0.5) / 0.5)


@pytest.mark.parametrize("given", [([0.5] * 3, None), (None, [0.5] * 3), ([0.5], [0.5])])
def test_half_a_normalisation_is_refused(given):
    with pytest.raises(ValueError, match=r"mean=.* std="):
        matching_normalisation("resnet18", "imagenet", *given)


# ---------------------------------------------------------------- where the file is


def test_nothing_is_downloaded_unasked(cache):
    with pytest.raises(InputError) as caught:
        TorchvisionNetwork(SMALL, 2, "imagenet")
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    for part in (FILE, "(5 MB)", str(cache), "model.download=true", "https://", "model.weights=<path"):
        assert part in message
    assert not list(cache.iterdir())


def test_what_is_in_the_cache_is_taken(cache, weights):
    torch.save(weights, cache / FILE)
    network = TorchvisionNetwork(SMALL, 2, "imagenet")
    assert same_body(network, weights)
    assert (network.mean, network.std) == IMAGENET
    assert network.notes[0].endswith(f"{TENSORS - OF_HEAD} tensors, the head (classifier.1) is new")


def test_downloads_when_asked(cache, weights, monkeypatch):
    def download(url, **options):
        assert url.endswith(FILE)
        assert options["check_hash"]
        assert options["progress"]
        torch.save(weights, cache / FILE)

    monkeypatch.setattr(_api, "load_state_dict_from_url", download)
    assert same_body(TorchvisionNetwork(SMALL, 2, "imagenet", download=True), weights)


def test_download_that_fails(cache, monkeypatch):
    def download(url, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(_api, "load_state_dict_from_url", download)
    with pytest.raises(InputError, match=r"could not be fetched .*no route to host"):
        weights_file(SMALL, "imagenet", download=True)


def test_path_that_is_not_there():
    with pytest.raises(InputError, match=r"model.weights=imagnet: no such file; expected imagenet, null, or"):
        weights_file(SMALL, "imagnet", download=True)


def test_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.pth").touch()
    assert weights_file(SMALL, "~/x.pth", download=False) == tmp_path / "x.pth"


# ---------------------------------------------------------------- what is in the file


def prefixed(weights, prefix):
    renamed = OrderedDict((prefix + name, value) for name, value in weights.items())
    renamed._metadata = {f"{prefix}{name}".rstrip("."): v for name, v in weights._metadata.items()}
    return renamed


@pytest.mark.parametrize("prefix", ["", "module.", "model.network.net."])
@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_forms_of_a_file(tmp_path, weights, prefix, key):
    content = prefixed(weights, prefix)
    if prefix.startswith("model."):
        content["model.scale"] = torch.ones(1)  # what else a task module holds
    torch.save(content if key is None else {key: content, "epoch": 3}, tmp_path / "x.ckpt")
    network = TorchvisionNetwork(SMALL, 2, str(tmp_path / "x.ckpt"))
    assert same_body(network, weights)


def test_safetensors(tmp_path, weights):
    save_file({f"net.{name}": value for name, value in weights.items()}, tmp_path / "x.safetensors")
    assert same_body(TorchvisionNetwork(SMALL, 2, str(tmp_path / "x.safetensors")), weights)


def test_head_for_as_many_classes_is_taken(tmp_path, weights):
    torch.save(weights, tmp_path / "x.pth")
    network = TorchvisionNetwork(SMALL, 7, str(tmp_path / "x.pth"))
    assert network.head.weight.equal(weights["classifier.1.weight"])
    assert f"{TENSORS} tensors, the head too" in network.notes[0]


def test_head_of_another_make_is_left_out(tmp_path):
    network = get_model("shufflenet_v2_x0_5")
    network.fc = nn.Sequential(nn.Dropout(), nn.Linear(1024, 2))
    target = get_model("shufflenet_v2_x0_5", num_classes=2)
    taken, with_head = fit_pretrained(target, "fc", network.state_dict(), "it")
    assert (taken, with_head) == (len(target.state_dict()) - 2, False)


def tiny_resnet(*blocks):
    return ResNet(BasicBlock, list(blocks), num_classes=2)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            lambda: tiny_resnet(2, 1, 1, 1),
            "layer1.1.conv1.weight is not in this network",
        ),  # all of ours is in it
        (lambda: get_model(SMALL), ": 0 of its 74 tensors fit\nconv1.weight is missing; "),
        (lambda: nn.Linear(2, 2), "; and "),
    ],
)
def test_weights_of_another_network(other, expected):
    with pytest.raises(InputError) as caught:
        fit_pretrained(tiny_resnet(1, 1, 1, 1), "fc", other().state_dict(), "x.pth")
    message = str(caught.value)
    assert message.startswith("x.pth does not hold the weights of this ResNet (model.name): ")
    assert expected in message
    assert len(message.splitlines()) <= 3
    assert len(message) < 500


def test_weights_of_another_size():
    with pytest.raises(
        InputError, match=r"stage2.0.branch1.2.weight is \[58, 24, 1, 1\] instead of \[24, .*; and "
    ):
        fit_pretrained(
            get_model("shufflenet_v2_x0_5"), "fc", get_model("shufflenet_v2_x1_0").state_dict(), "x.pth"
        )


def test_second_heads_are_left_out():
    build = {"init_weights": False, "num_classes": 2}
    full = get_model("googlenet", aux_logits=True, **build).state_dict()
    assert any(name.startswith("aux1.") for name in full)
    fit_pretrained(get_model("googlenet", aux_logits=False, **build), "fc", full, "it")


def test_old_names_of_densenet():
    build = {"growth_rate": 2, "block_config": (1, 1), "num_init_features": 4, "num_classes": 2}
    old, new = densenet.DenseNet(**build), densenet.DenseNet(**build)
    names = {name: name.replace("norm1", "norm.1").replace("conv2", "conv.2") for name in old.state_dict()}
    file = {names[name]: value for name, value in old.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in file
    fit_pretrained(new, "classifier", file, "it")
    assert all(value.equal(old.state_dict()[name]) for name, value in new.state_dict().items())


def test_old_names_of_vit():
    build = {
        "image_size": 32,
        "patch_size": 16,
        "num_layers": 1,
        "num_heads": 2,
        "hidden_dim": 8,
        "mlp_dim": 8,
    }
    old, new = VisionTransformer(**build), VisionTransformer(**build, num_classes=2)
    state = old.state_dict()
    mlp = "encoder.layers.encoder_layer_0.mlp"
    file = OrderedDict(
        (name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"), value)
        for name, value in state.items()
    )
    file._metadata = state._metadata | {mlp: {"version": 1}}
    fit_pretrained(new, "heads.head", prefixed(file, "module."), "it")
    assert new.state_dict()[f"{mlp}.3.weight"].equal(state[f"{mlp}.3.weight"])


def test_files_older_than_the_count_of_batches():
    weights = tiny_resnet(1, 1, 1, 1).state_dict()
    file = {name: value for name, value in weights.items() if "num_batches" not in name}
    fit_pretrained(tiny_resnet(1, 1, 1, 1), "fc", file, "it")


# ---------------------------------------------------------------- files that are none


class Evil:
    def __reduce__(self):
        return (open, ("touched", "w"))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Evil()}, "evil.pth")
    with pytest.raises(
        InputError, match=r"evil.pth holds more than tensors \(\S*open\), .*\nsave the weights"
    ):
        read_state_dict(tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()


def test_whole_model_in_a_file(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"holds more than tensors \(torch.nn.modules.linear.Linear\)"):
        read_state_dict(tmp_path / "model.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"not at all", b"PK\x03\x04", b"hello world, these are words\n", b"epoch,loss\n1,0.5\n"],
)
def test_damaged_files(tmp_path, weights, suffix, content):
    path = tmp_path / f"x{suffix}"
    if content is None:
        torch.save(weights, path) if suffix == ".pth" else save_file(dict(weights), path)
        content = path.read_bytes()[:100_000]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.\w+ is damaged, or no file of weights \(") as caught:
        read_state_dict(path)
    assert len(str(caught.value).splitlines()) == 1


def test_truncated_file_of_the_old_format(tmp_path, weights):
    path = tmp_path / "x.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="is damaged, or no file of weights"):
        read_state_dict(path)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_flipped_bits(tmp_path, old):
    """The old format has no checksums: what can be read at all is taken."""
    path, state = tmp_path / "x.pth", nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=not old)
    content = path.read_bytes()
    refused = []
    for place in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            read_state_dict(path)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(len(message.splitlines()) <= 2 for message in refused)


def test_one_flipped_bit_of_a_weight(tmp_path, weights):
    path = tmp_path / "x.pth"
    torch.save(weights, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x.pth is damaged, .* \(\S+ does not match its checksum\)$"):
        read_state_dict(path)


def test_names_that_are_no_text():
    file = tiny_resnet(1, 1, 1, 1).state_dict()
    fit_pretrained(tiny_resnet(1, 1, 1, 1), "fc", file | {0: torch.ones(1)}, "it")
    with pytest.raises(InputError, match="it does not hold the weights"):
        fit_pretrained(tiny_resnet(1, 1, 1, 1), "fc", {0: torch.ones(1)}, "it")


@pytest.mark.parametrize("content", [{}, [1], {"state_dict": {}}, torch.zeros(2), {"epoch": 3}])
def test_files_without_a_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match="has no state dict"):
        read_state_dict(tmp_path / "x.pth")

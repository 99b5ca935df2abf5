from collections import OrderedDict

import pytest
from omegaconf import OmegaConf

from inspection.config.instantiate import class_value, instantiate
from inspection.errors import InputError

CFG = OmegaConf.create(
    {
        "size": [2, 3],
        "layer": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": "${size.1}"},
        "partial": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5},
        "many": {"a": {"_target_": "torch.nn.ReLU"}, "b": {"_target_": "torch.nn.Dropout", "p": 0.25}},
        "nested": {
            "_target_": "torch.nn.ModuleDict",
            "modules": {"a": {"_target_": "torch.nn.Dropout", "p": 7}},
        },
        "shape": {"_target_": "torch.nn.LayerNorm", "normalized_shape": "${size}"},
        "typo": {"_target_": "torch.nn.Linear", "in_featuers": 2},
        "gone": {"_target_": "torch.nn.Lineal"},
        "evil": {"_target_": "torch.nn.Identity", "x": {"_target_": "os.getcwd"}},
        "none": {},
    }
)


def test_builds_with_references_resolved():
    assert tuple(instantiate(CFG.layer).weight.shape) == (3, 2)
    assert instantiate(CFG.shape).normalized_shape == (2, 3)  # a list, not a config node


def test_arguments_are_handed_on_untouched_and_win():
    assert instantiate(CFG.layer, out_features=5).out_features == 5
    first, second = instantiate(CFG.layer), instantiate({"_target_": "torch.nn.ReLU"})
    network = instantiate({"_target_": "torch.nn.Sequential"}, OrderedDict(a=first, b=second))
    assert network.a is first


def test_partial_waits_for_the_rest():
    parameters = list(instantiate(CFG.layer).parameters())
    optimizer = instantiate(CFG.partial)(parameters)
    assert optimizer.param_groups[0]["params"][0] is parameters[0]
    assert instantiate(CFG.partial, lr=0.25)(parameters).param_groups[0]["lr"] == 0.25


def test_mapping_of_components():
    built = instantiate(CFG.many)
    assert list(built) == ["a", "b"]
    assert built["b"].p == 0.25


def test_empty_is_none():
    assert instantiate(CFG.none) is None
    assert instantiate(None) is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("typo", r"typo \(torch.nn.Linear\) can't be built: .*in_featuers"),
        ("gone", r"gone \(torch.nn.Lineal\) can't be built: .*Lineal"),
        ("evil", r"evil.x: 'os.getcwd' may not be built"),
        ("nested", r"nested.modules.a \(torch.nn.Dropout\) can't be built: dropout probability"),
    ],
)
def test_what_cannot_be_built_is_named(key, expected):
    with pytest.raises(InputError, match=expected) as caught:
        instantiate(CFG[key])
    assert len(str(caught.value).splitlines()) <= 2


def test_an_input_error_stays_as_it_is():
    node = {
        "_target_": "inspection.config.instantiate.instantiate",
        "node": [{"a": {"_target_": "os.system"}}],
    }
    wrapped = OmegaConf.create({"x": {**node, "_recursive_": False}})
    with pytest.raises(InputError, match="may not be built") as caught:
        instantiate(wrapped.x)
    assert "can't be built" not in str(caught.value)


def test_what_a_class_says_is_known_without_building_it():
    assert class_value({"_target_": "inspection.tasks.regression.Regression"}, "kind") == "quantity"
    assert class_value(CFG["layer"], "kind") is None
    assert class_value(CFG["gone"], "kind") is None  # instantiate says so
    assert class_value({"_target_": "os.path"}, "sep") is None  # not ours to look into
    assert class_value({}, "kind") is None

"""The YAML files against the code that they configure."""

import dataclasses
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from inspection.config.entry import CONF
from inspection.config.schema import ROOTS, TrainerKeys, TrainRoot
from inspection.config.signatures import signature
from inspection.config.targets import HYDRA_KEYS, targets

GROUPS = {"data"}  # keys of roots that come from a group
FILES = sorted(CONF.rglob("*.yaml"))


def content(path: Path) -> dict:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def component(plain, key):
    for part in key.split(".") if key else []:
        plain = plain[int(part)] if isinstance(plain, list) else plain[part]
    return plain


def field_names(schema: type) -> set[str]:
    return {field.name for field in dataclasses.fields(schema)}


COMPONENTS = [
    pytest.param(component(content(path), key), target, id=f"{path.relative_to(CONF).as_posix()}:{key}")
    for path in FILES
    for key, target in targets(content(path))
    if str(target).startswith("inspection.")
]


@pytest.mark.parametrize(("node", "target"), COMPONENTS)
def test_yaml_lists_exactly_the_parameters_of_its_target(node, target):
    takes = signature(target)
    assert takes is not None, f"there is no {target}"
    listed = set(node) - set(HYDRA_KEYS)
    if not takes.open:
        assert listed <= set(takes.parameters)
    assert set(takes.parameters) <= listed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONF).as_posix())
def test_yaml_begins_with_a_comment(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")


def test_trainer_keys_are_those_of_the_file():
    listed = set(content(CONF / "trainer" / "default.yaml")) - {"_target_"}
    assert listed == field_names(TrainerKeys)


def test_trainer_keys_are_parameters_of_lightnings_trainer():
    takes = signature("lightning.pytorch.Trainer")
    assert takes is not None
    assert field_names(TrainerKeys) - set(takes.parameters) == {"channels_last"}


def test_roots_are_the_files():
    assert {path.stem for path in CONF.glob("*.yaml")} == set(ROOTS)
    for name, root in ROOTS.items():
        if root is not TrainRoot:  # whose groups come from its defaults
            listed = set(content(CONF / f"{name}.yaml")) - {"defaults", "hydra"}
            assert listed == field_names(root) - GROUPS

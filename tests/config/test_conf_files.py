"""The YAML files against the code that they configure."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from inspection.config.composer import composer
from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.preflight import preflight
from inspection.config.schema import ROOTS, TrainerKeys, TrainRoot
from inspection.config.signatures import signature
from inspection.config.targets import HYDRA_KEYS, targets

FILES = sorted(CONF.rglob("*.yaml"))


def content(path: Path) -> dict:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def component(plain, key):
    for part in key.split(".") if key else []:
        plain = plain[int(part)] if isinstance(plain, list) else plain[part]
    return plain


def compose_train(overrides: list[str]) -> DictConfig:
    register_resolvers(reserve=False)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides)


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
    nested = {name for entry in node.get("defaults", ()) if isinstance(entry, dict) for name in entry}
    listed = (set(node) - {*HYDRA_KEYS, "defaults"}) | nested  # `- augment: none` fills data.augment
    if not takes.open:
        assert listed <= set(takes.parameters)
    # What no YAML can write, the code hands to a partial: class weights to a loss.
    handed_over = {n for n, p in takes.parameters.items() if node.get("_partial_") and p.hint is Any}
    assert set(takes.parameters) - handed_over <= listed


def siblings(path: Path) -> list[str]:
    """Files of the same group that a file builds on."""
    if path.parent == CONF or "@package _global_" in path.read_text(encoding="utf-8").partition("\n")[0]:
        return []
    return [d for d in content(path).get("defaults", []) if isinstance(d, str) and d != "_self_"]


BUILT_ON = [
    pytest.param(path, sibling, id=path.relative_to(CONF).as_posix())
    for path in FILES
    for sibling in siblings(path)
]


@pytest.mark.parametrize(("path", "sibling"), BUILT_ON)
def test_yaml_that_builds_on_another_changes_keys_that_this_one_has(path, sibling):
    above = content(path.with_name(f"{sibling}.yaml"))
    own = content(path)
    assert own.pop("defaults") == [sibling]
    added = own.keys() - above.keys()
    assert all("_target_" in own[key] for key in added)  # another callback
    assert "_target_" not in own
    assert own


@pytest.mark.parametrize("group", ["model", "loss", "optimizer", "scheduler", "decide"])
def test_each_option_of_a_group_passes_the_check(group):
    register_resolvers(reserve=False)
    with composer("train", CONF) as made:
        options = made.options(group)
    assert sorted(options) == sorted(path.stem for path in FILES if path.parent.name == group)
    for option in options:
        assert preflight("train", [f"{group}={option}"], CONF) is None


def test_what_all_rules_take_is_the_same_in_each_file():
    """Each file lists all parameters of its rule, so five keys stand in all of them, word for word."""
    takes = signature("inspection.decide.rules.F1")
    assert takes is not None
    common = takes.parameters
    said = {
        tuple(
            line for line in path.read_text(encoding="utf-8").splitlines() if line.partition(":")[0] in common
        )
        for path in FILES
        if path.parent.name == "decide"
    }
    assert [len(lines) for lines in said] == [len(common)]


TASKS = [path.stem for path in FILES if path.parent.name == "task"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("schedule", [path.stem for path in FILES if path.parent.name == "scheduler"])
def test_the_schedule_of_every_task_can_be_replaced(task, schedule):
    """A task that set keys of one schedule could have no other."""
    register_resolvers(reserve=False)
    assert preflight("train", [f"task={task}", f"scheduler={schedule}"], CONF) is None


@pytest.mark.parametrize("task", [task for task in TASKS if task != "seam"])
def test_weighted_loss_is_weighted_in_every_task(task):
    """A task that set `data.balance` itself would silently take the weights away again."""
    cfg = compose_train([f"task={task}", "loss=weighted_cross_entropy"])
    assert cfg.data.balance == "loss"
    assert cfg.loss["_target_"] == "inspection.tasks.losses.WeightedCrossEntropy"


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
            own = content(CONF / f"{name}.yaml")
            groups = {group for entry in own["defaults"] if isinstance(entry, dict) for group in entry}
            assert set(own) - {"defaults", "hydra"} == field_names(root) - groups

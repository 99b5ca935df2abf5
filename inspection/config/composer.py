"""Composes a root config as Hydra is going to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from inspection.errors import InputError


@dataclass(frozen=True)
class Composer:
    """One root config and the config groups around it."""

    config_name: str
    conf: Path
    groups: Mapping[str, Sequence[str]]
    """Options of each group, `{"model": ["lenet", ...], ...}`; those of Hydra itself are left out."""
    loader: ConfigLoader

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """The overrides, taken apart.

        Raises:
            OverrideParseException: If one breaks Hydra's grammar.
        """
        return OverridesParser.create(config_loader=self.loader).parse_overrides(list(overrides))

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config with its hydra node.

        Raises:
            HydraException, OmegaConfBaseException: As they come.
        """
        return compose(self.config_name, list(overrides), return_hydra_config=True)

    def options(self, group: str) -> Sequence[str]:
        """Options of a group, of Hydra's (`hydra/launcher`) too."""
        return self.groups.get(group) or self.loader.get_group_options(group, ObjectType.CONFIG)

    def is_group(self, override: Override) -> bool:
        """Whether an override picks an option (`model=lenet`) and sets no key."""
        return override.key_or_group in self.groups or "/" in override.key_or_group


@contextmanager
def composer(config_name: str, conf: Path) -> Iterator[Composer]:
    """Start Hydra on a folder of config files; it is as before when the context ends."""
    if not conf.is_dir():
        raise InputError(f"{conf} is missing: the config files lie in the folder conf beside the package")
    with initialize_config_dir(str(conf), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = {group: loader.get_group_options(group, ObjectType.CONFIG) for group in _groups(loader)}
        yield Composer(config_name, conf, groups, loader)


def _groups(loader: ConfigLoader, parent: str = "") -> list[str]:
    groups = []
    for name in loader.list_groups(parent):
        group = f"{parent}/{name}" if parent else name
        if group != "hydra":
            groups += [group, *_groups(loader, group)]
    return groups


def dotted_keys(cfg: DictConfig) -> list[str]:
    """All dotted keys that are written in a config; what is referred to is not entered."""

    def below(node: Mapping[Any, Any], prefix: str) -> Iterator[str]:
        for name, value in node.items():
            yield f"{prefix}{name}"
            if isinstance(value, Mapping):
                yield from below(value, f"{prefix}{name}.")

    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    return list(below(raw, ""))

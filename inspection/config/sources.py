"""A composed config as plain values, and where each of them comes from."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from inspection.config.checks import UNKNOWN
from inspection.config.composer import Composer, dotted_keys
from inspection.config.mistakes import brief
from inspection.config.suggest import likely_keys


@dataclass
class Notes:
    """What `resolved` met on the way through a config."""

    name: Callable[[str], str]
    """Names a key in a message."""
    missing: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)


def resolved(node: DictConfig | ListConfig, key: str, notes: Notes, follow: bool = True) -> Any:
    """Plain containers with references resolved.

    UNKNOWN stands for what can't be resolved, for components that are referred to (they are checked at their
    own place) and, without `follow`, for every reference.
    """

    def one(index: Any) -> Any:
        path = f"{key}.{index}" if key else str(index)
        if OmegaConf.is_missing(node, index):
            notes.missing.append(path)
            return UNKNOWN
        refers = OmegaConf.is_interpolation(node, index)
        if refers and not follow:
            return UNKNOWN
        try:
            value = node[index]
        except OmegaConfBaseException as error:
            raw = str(OmegaConf.to_container(node, resolve=False)[index])  # type: ignore[index]
            if "${hydra:" not in raw:
                notes.unresolved.append(f"{notes.name(path)}: {raw} {_reference(error, node)}")
            return UNKNOWN
        if refers and isinstance(value, DictConfig):
            return UNKNOWN
        return resolved(value, path, notes, follow) if isinstance(value, DictConfig | ListConfig) else value

    if isinstance(node, DictConfig):
        return {str(name): one(name) for name in node}
    return [one(index) for index in range(len(node))]


def _reference(error: OmegaConfBaseException, node: DictConfig | ListConfig) -> str:
    absent = re.search(r"Interpolation key '(.+)' not found", str(error))
    root = node._get_root()
    if absent and isinstance(error, InterpolationKeyError) and isinstance(root, DictConfig):
        meant = likely_keys(absent[1], dotted_keys(root))
        return f"refers to {absent[1]}, which is not there" + (f"; did you mean {meant[0]}?" if meant else "")
    return f"can't be resolved: {brief(error)}"


class Sources:
    """Which override or file a key of the composed config comes from."""

    def __init__(self, composer: Composer, cfg: DictConfig, given: Sequence[Override]) -> None:
        self.composer = composer
        # In Hydra's order: what is composed last, and so has the last word, comes first.
        self.choices = {str(k): v for k, v in cfg.hydra.runtime.choices.items() if v is not None}
        self.given = {
            o.key_or_group: str(o.input_line) for o in given if o.is_delete() or not composer.is_group(o)
        }
        self._files: dict[str, Mapping[str, Any]] = {}

    def name(self, key: str) -> str:
        """The override that sets a key or one around it, else the key with the file that has it last."""
        parts = key.split(".")
        for length in range(len(parts), 0, -1):
            if (line := self.given.get(".".join(parts[:length]))) is not None:
                return line if length == len(parts) else f"{line}: {key}"
        inside = [line for given, line in self.given.items() if given.startswith(f"{key}.")]
        if inside:
            return inside[0]
        files = [f"{g}/{c}" for g, c in self.choices.items() if g != "hydra" and not g.startswith("hydra/")]
        holders = [f for f in [self.composer.config_name, *files] if self._holds(f, parts)]
        group = self.group(key)
        chosen = [f"{group}/{self.choices[group]}"] if group else []
        place = (holders or chosen or [self.composer.config_name])[0]
        return f"{key} (conf/{place}.yaml)"

    def group(self, key: str) -> str:
        """See `Origin.group`."""
        parts = key.split(".")
        groups = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((group for group in groups if group in self.choices), "")

    def written(self, key: str) -> Mapping[str, Any]:
        """See `Origin.written`."""
        group = self.group(key)
        if not group:
            return {}
        node: Any = self._file(f"{group}/{self.choices[group]}")
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else {}

    def _holds(self, file: str, parts: Sequence[str]) -> bool:
        node: Any = self._file(file)
        for part in parts:
            if not isinstance(node, Mapping) or part not in node:
                return False
            node = node[part]
        return True

    def _file(self, name: str) -> Mapping[str, Any]:
        """A YAML file as plain containers below the keys that it is composed to."""
        if name not in self._files:
            self._files[name] = self._read(name)
        return self._files[name]

    def _read(self, name: str) -> Mapping[str, Any]:
        path = self.composer.conf / f"{name}.yaml"
        if not path.is_file():
            return {}
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        if not isinstance(content, dict):
            return {}
        group = name.rpartition("/")[0].replace("/", ".")
        if group and "@package _global_" not in path.read_text(encoding="utf-8").partition("\n")[0]:
            siblings = [d for d in content.pop("defaults", []) if isinstance(d, str) and d != "_self_"]
            for sibling in siblings:
                above: Any = self._file(f"{name.rpartition('/')[0]}/{sibling}")
                for part in group.split("."):
                    above = above.get(part, {})
                content = {**above, **content}
            for part in reversed(group.split(".")):
                content = {part: content}
        return content  # type: ignore[return-value]

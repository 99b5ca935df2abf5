"""The check of a composed config against the schema of its root and the signatures of its components."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from inspection.config.schema import Component, Root
from inspection.config.signatures import Parameter, Signature, neighbours, signature
from inspection.config.suggest import did_you_mean, likely_keys
from inspection.config.targets import ALLOWED, HYDRA_KEYS, allowed
from inspection.config.values import complaint, fits
from inspection.errors import InputError


class Unknown:
    """Stands for a value that is only known while a job runs (`${hydra:...}`); it fits everywhere."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Origin:
    """Where the keys of a composed config come from: words for a message and defaults to compare with."""

    name: Callable[[str], str]
    """`optimizer.lr=abc` for a key of the command line, else `optimizer.lr (conf/optimizer/sgd.yaml)`."""
    written: Callable[[str], Mapping[str, Any]]
    """A component as the YAML file of the chosen option has it, references unresolved; else empty."""
    group: Callable[[str], str] = lambda key: key.partition(".")[0]
    """The config group that a key belongs to (`data/augment` for `data.augment.gain`); empty for none."""
    known: Sequence[str] = ()
    """All dotted keys of the config, to suggest from."""


def check(config: Mapping[str, Any], root: Root, origin: Origin) -> None:
    """Check a composed and resolved config.

    Args:
        config: Plain containers, without the hydra node.
        root: The schema of its fixed part.
        origin: Names keys in messages and knows the defaults.

    Raises:
        InputError: At the first unknown key, missing key or wrong value.
    """
    _Check(origin).keys(config, _fields(root), "", "the config")


def _fields(schema: type) -> Signature:
    hints = get_type_hints(schema)
    missing = dataclasses.MISSING
    return Signature(
        {
            f.name: Parameter(hints[f.name], f.default is missing and f.default_factory is missing)
            for f in dataclasses.fields(schema)
        }
    )


@dataclass(frozen=True)
class _Check:
    origin: Origin

    def keys(self, node: Mapping[str, Any], takes: Signature, path: str, owner: str) -> None:
        """Each key is a parameter, each needed parameter is there, each value fits."""
        prefix = f"{path}." if path else ""
        for name in node:
            if name not in takes.parameters and not takes.open:
                raise InputError(self.unknown(f"{prefix}{name}", owner, takes))
        for name, parameter in takes.parameters.items():
            if name in node:
                self.value(node[name], parameter.hint, f"{prefix}{name}")
            elif parameter.required:
                raise InputError(f"{self.origin.name(prefix + name)}: {owner} needs the key {name!r}")

    def unknown(self, key: str, owner: str, takes: Signature) -> str:
        parent, _, name = key.rpartition(".")
        own = [f"{parent}.{p}" if parent else p for p in takes.parameters]
        meant = likely_keys(key, sorted({*own, *self.origin.known} - {key}))
        hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
        return f"{self.origin.name(key)}: {owner} has no key {name!r}{hint}"

    def value(self, value: Any, hint: Any, key: str) -> None:
        """The value fits its hint; components and fixed parts are entered."""
        if value is UNKNOWN:
            return
        members = get_args(hint) if Component in get_args(hint) and type(None) in get_args(hint) else (hint,)
        if Component in members:
            optional = type(None) in members
            if not (optional and (value is None or value == {})):  # {} is how a YAML file says "none"
                self.component(value, key)
        elif (schema := _schema_in(hint)) is not None:
            if value is not None or type(None) not in get_args(hint):
                self.fixed(value, schema, key, hint)
        elif hint == Mapping[str, Component]:
            self.components(value, key)
        elif (isinstance(value, Mapping) and "_target_" in value) or self.replaces_component(
            value, hint, key
        ):
            self.component(value, key)
        elif not fits(_without_unknown(value), hint):
            raise InputError(f"{self.origin.name(key)}: {complaint(value, hint)}")
        else:
            self.nested(value, key)

    def replaces_component(self, value: Any, hint: Any, key: str) -> bool:
        """Whether something stands where the YAML file has a component (`data.augment=none`)."""
        return hint is Any and value is not None and "_target_" in self.origin.written(key)

    def nested(self, value: Any, key: str) -> None:
        """Components inside a free container."""
        items = (
            value.items()
            if isinstance(value, Mapping)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for name, item in items:
            if isinstance(item, Mapping | list):
                self.value(item, Any, f"{key}.{name}")

    def components(self, node: Any, key: str) -> None:
        if not isinstance(node, Mapping):
            raise InputError(f"{self.origin.name(key)}: {complaint(node, dict)}")
        for name, value in node.items():
            if value is None:
                raise InputError(f"{key}.{name}=null: expected a component; drop it with '~{key}.{name}'")
            self.component(value, f"{key}.{name}")

    def fixed(self, node: Any, schema: type, key: str, hint: Any) -> None:
        if not isinstance(node, Mapping):
            wanted = dict | None if type(None) in get_args(hint) else dict
            raise InputError(f"{self.origin.name(key)}: {complaint(node, wanted)}")
        takes = _fields(schema)
        if "_target_" not in node:
            return self.keys(node, takes, key, key)
        self.target(node["_target_"], key)
        own = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
        extra = [name for name in own if name not in takes.parameters]
        if extra:  # +trainer.max_steps=100
            more = (signature(node["_target_"]) or Signature()).parameters
            if strange := [name for name in extra if name not in more]:
                both = Signature({**takes.parameters, **more})
                raise InputError(self.unknown(f"{key}.{strange[0]}", key, both))
            takes = Signature({**takes.parameters, **{name: more[name] for name in extra}})
        return self.keys(own, takes, key, key)

    def component(self, node: Any, key: str) -> None:
        """The node against the signature of its target."""
        if not isinstance(node, Mapping) or "_target_" not in node:
            found = "a mapping without one" if isinstance(node, Mapping) else repr(node)
            raise InputError(
                f"{self.origin.name(key)}: expected a component with a _target_, found {found}; "
                f"pick an option ({self.origin.group(key) or key}=<name>) or write {{_target_: ...}}"
            )
        target = node["_target_"]
        own = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
        if self.target(target, key):
            takes = signature(target)
            assert takes is not None  # target() has seen that it exists
            partial = node.get("_partial_") is True
            needed = {
                name: dataclasses.replace(p, required=p.from_config and not partial)
                for name, p in takes.parameters.items()
            }
            self.keys(own, Signature(needed, takes.open), key, target)
        else:
            self.foreign(own, target, key)

    def foreign(self, own: Mapping[str, Any], target: str, key: str) -> None:
        """A class of another package: the keys and types of our YAML, and for other keys its signature."""
        written = self.origin.written(key)
        if written.get("_target_") != target:
            written = {}
        for name, value in own.items():
            path = f"{key}.{name}"
            if name in written:
                self.value(value, Any if value is None else _hint_of(written[name]), path)
                continue
            takes = signature(target) or Signature(open=True)
            if name not in takes.parameters and not takes.open:
                raise InputError(self.unknown(path, target, takes))
            self.value(value, takes.parameters[name].hint if name in takes.parameters else Any, path)

    def target(self, target: object, key: str) -> bool:
        """Whether the target is one of ours; it has to be allowed, and ours have to exist."""
        name = self.origin.name(f"{key}._target_")
        if target is UNKNOWN:
            return False
        if not allowed(target):
            raise InputError(f"{name}: {target!r} may not be built; targets begin with {' '.join(ALLOWED)}")
        assert isinstance(target, str)
        ours = target.startswith(f"{__name__.partition('.')[0]}.")
        if ours and signature(target) is None:
            raise InputError(f"{name}: there is no {target}{did_you_mean(target, neighbours(target))}")
        return ours


def _schema_in(hint: Any) -> type | None:
    """The fixed part that a hint asks for, if it does: `CameraKeys`, `StreamDriftKeys | None`."""
    members = (hint, *get_args(hint))
    return next((each for each in members if isinstance(each, type) and dataclasses.is_dataclass(each)), None)


def _hint_of(default: Any) -> Any:
    """The type of a default in YAML; null, a reference or a container says nothing about it."""
    if default is None or isinstance(default, Mapping) or (isinstance(default, str) and "${" in default):
        return Any
    return type(default)


def _without_unknown(value: Any) -> Any:
    return [v for v in value if v is not UNKNOWN] if isinstance(value, list) else value

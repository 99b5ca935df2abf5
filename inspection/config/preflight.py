"""Checks a command line before anything heavy is imported.

It composes what Hydra is going to compose and checks it against the schema, so that a typo is answered in a
fraction of a second, with one line, and before the first job of a sweep has begun.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from inspection.config.folders import LAST, newest_run, runs_parent
from inspection.config.schema import ROOTS, UNKNOWN, Origin, Root, check
from inspection.config.signatures import signature
from inspection.config.suggest import did_you_mean, likely_keys
from inspection.errors import InputError


@dataclass(frozen=True)
class Sweep:
    """What `-m` is going to run."""

    folder: Path
    keys: tuple[str, ...]
    """Keys that take several values, as on the command line."""
    jobs: int | None
    """Number of jobs; None where a sweeper other than Hydra's own decides."""


def preflight(
    config_name: str,
    overrides: Sequence[str],
    conf: Path,
    *,
    multirun: bool = False,
    show_only: bool = False,
    config_dir: str | None = None,
) -> Sweep | None:
    """Compose and check a command line, each value of a sweep included.

    Args:
        config_name: Root config; one that is not in `ROOTS` is composed, and not checked against a schema.
        overrides: Arguments without the flags: `task=coil`, `optimizer.lr=0.1,0.01`, `~callbacks.heatmaps`.
        conf: Folder of the config files.
        multirun: Whether `-m` was given.
        show_only: For `--cfg`: values that are still missing are no mistake.
        config_dir: A further folder of config files (`--config-dir`).

    Returns:
        The sweep, or None for a single run.

    Raises:
        InputError: At the first mistake.
    """
    search = [f"hydra.searchpath=[{_quoted(f'file://{Path(config_dir).absolute()}')}]"] if config_dir else []
    with _hydra(conf) as loader:
        flight = _Preflight(config_name, ROOTS.get(config_name), conf, loader, show_only)
        given = flight.parse([*search, *overrides])
        first = flight.compose(_first_values(given))
        if not multirun and first.hydra.mode != RunMode.MULTIRUN:
            flight.refuse_sweep(given)
            flight.check(first, given)
            return None
        given = (
            flight.parse(
                [f"{key}={value}" for key, value in (first.hydra.sweeper.get("params") or {}).items()]
            )
            + given
        )
        if flight.root is not None and not flight.root.keeps_folder:
            raise InputError(f"-m: {config_name} runs once; give each run a command of its own")
        for variant in _variants(given):
            flight.check(flight.compose(variant), flight.parse(variant), sweep=True)
        swept = {o.get_key_element(): o for o in given if o.is_sweep_override()}
        counts = [len(_values(o)) if o.is_discrete_sweep() else None for o in swept.values()]
        return Sweep(_sweep_folder(first), tuple(swept), _product(counts))


def _sweep_folder(cfg: DictConfig) -> Path:
    """Reserves the folder of a sweep (`hydra.sweep.dir`)."""
    from hydra.core.hydra_config import HydraConfig

    HydraConfig.instance().set_config(cfg)  # for ${hydra:...}
    try:
        return Path(str(cfg.hydra.sweep.dir))
    except OmegaConfBaseException as error:
        raise InputError(f"hydra.sweep.dir: {_brief(error)}") from error
    finally:
        HydraConfig.instance().cfg = None


@contextmanager
def _hydra(conf: Path) -> Iterator[ConfigLoader]:
    if not conf.is_dir():
        raise InputError(f"{conf} is missing: the config files lie in the folder conf beside the package")
    with initialize_config_dir(str(conf), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


# ---------------------------------------------------------------- sweeps


def _values(override: Override) -> list[str]:
    """The values of a sweep, as text; the first of an interval, which only some sweepers know."""
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    interval = override.value()
    return [str(interval.start)] if isinstance(interval, IntervalSweep) else [override.get_value_string()]


def _first_values(given: Sequence[Override]) -> list[str]:
    return [_line(o, _values(o)[0]) if o.is_sweep_override() else str(o.input_line) for o in given]


def _variants(given: Sequence[Override]) -> list[list[str]]:
    """Each value once, against the first values of the others."""
    first = _first_values(given)
    variants = [first]
    for index, override in enumerate(given):
        if override.is_sweep_override():
            for value in _values(override)[1:]:
                variants.append([*first[:index], _line(override, value), *first[index + 1 :]])
    return variants


def _line(override: Override, value: str) -> str:
    return f"{override.get_key_element()}={value}"


def _product(counts: Sequence[int | None]) -> int | None:
    total = 1
    for number in counts:
        if number is None:
            return None
        total *= number
    return total


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.double).with_quotes()


# ---------------------------------------------------------------- one composition


class _Preflight:
    def __init__(
        self, config_name: str, root: Root | None, conf: Path, loader: ConfigLoader, show_only: bool
    ) -> None:
        self.config_name, self.root, self.conf = config_name, root, conf
        self.loader, self.show_only = loader, show_only
        self.groups = {g: loader.get_group_options(g, ObjectType.CONFIG) for g in self._all_groups()}

    def _all_groups(self, parent: str = "") -> list[str]:
        groups = []
        for name in self.loader.list_groups(parent):
            group = f"{parent}/{name}" if parent else name
            if group != "hydra":
                groups += [group, *self._all_groups(group)]
        return groups

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        try:
            parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(list(overrides))
            for override in parsed:
                if override.is_sweep_override() and not _values(override):
                    raise InputError(f"{override.input_line}: no value to sweep over")
        except OverrideParseException as error:
            raise InputError(_unreadable(error)) from error
        return parsed

    def refuse_sweep(self, given: Sequence[Override]) -> None:
        for override in given:
            if override.is_sweep_override():
                line, key = override.input_line, override.get_key_element()
                listed = f"{key}=[{override.get_value_string()}]"
                raise InputError(
                    f"{line}: several values; add -m to run each of them, or write '{listed}' for a list"
                )

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config with its hydra node; a mistake is traced to the override that makes it."""
        try:
            return compose(self.config_name, list(overrides), return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
            raise InputError(self._diagnosis(self.parse(overrides), error)) from error

    def check(self, cfg: DictConfig, given: Sequence[Override], sweep: bool = False) -> None:
        """The composed config against the schema of its root."""
        if self.root is None:
            return
        origin = _Sources(self, cfg, given)
        job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        notes = _Notes(origin.name)
        config = _plain(job, "", notes)
        if notes.missing and not self.show_only:
            nested = [key for key in notes.missing if "." in key]
            usage = f"{nested[0]}=<value>" if nested else self.root.usage
            raise InputError(f"{notes.missing[0]} is missing: python scripts/{self.config_name}.py {usage}")
        raw = OmegaConf.to_container(job, resolve=False)
        assert isinstance(raw, dict)
        schema = Origin(origin.name, origin.written, _dotted(raw))
        # First what is written at its own place, then what refers to it: a fault is named where it was made.
        check(_plain(job, "", _Notes(origin.name), follow=False), self.root, schema)
        check(config, self.root, schema)
        if notes.unresolved:
            raise InputError(notes.unresolved[0])
        if "ckpt_path" in config:
            _check_resume(config, cfg.hydra.runtime.choices, sweep)
        if "paths" in config:
            _check_writable(Path(config["paths"]["outputs"]))

    # ------------------------------------------------------------ what went wrong

    def is_group(self, override: Override) -> bool:
        return override.key_or_group in self.groups or "/" in override.key_or_group

    def _diagnosis(self, given: list[Override], error: Exception) -> str:
        """Adds one override after the other, groups first as Hydra does, until the composition fails."""
        ordered = sorted(given, key=lambda override: not self.is_group(override))
        cfg = OmegaConf.create()
        for number in range(len(ordered) + 1):
            try:
                cfg = compose(self.config_name, [str(o.input_line) for o in ordered[:number]])
            except Exception as failure:
                if number == 0:
                    return f"conf/{self.config_name}.yaml: {self._in_words(failure)}"
                return self._mistake(ordered[number - 1], cfg, failure)
        return self._in_words(error)

    def _mistake(self, override: Override, cfg: DictConfig, error: Exception) -> str:
        line, key = str(override.input_line), override.key_or_group
        if override.is_hydra_override() and "/" not in key:
            return f"{line}: {self._in_words(error)}"
        by_name = self.is_group(override) and not isinstance(override.value(), dict)
        if by_name and not override.is_delete():
            return f"{line}: {self._group_mistake(override, error)}"
        raw = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(raw, dict)
        known = _dotted(raw)
        if key in known and not override.is_delete():
            if override.is_add():
                return f"{line}: the key exists; change it without the +: {line[1:]}"
            inner = re.search(r"Key '(.+?)' is not in struct", _brief(error))
            if inner is None:
                return f"{line}: {self._in_words(error)}"
            key = f"{key}.{inner[1]}"  # optimizer={lrr: 0.1}
        # What a person types first may be a group (modle=lenet) or a key (optimzer.lr=0.1).
        meant = likely_keys(key, sorted({*known, *self.groups} if "." not in key else known))
        hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
        parent, _, name = key.rpartition(".")
        target = OmegaConf.select(cfg, f"{parent}._target_") if parent else None
        takes = signature(target) if isinstance(target, str) and not override.is_delete() else None
        if takes is not None and name in takes.parameters:
            return f"{line}: not in the config, but {target} takes it; add it with a plus: +{line}"
        place = f"{parent} has no key {name!r}" if parent in known else f"there is no group or key {key!r}"
        return f"{line}: {place}{hint}"

    def _group_mistake(self, override: Override, error: Exception) -> str:
        group, value = override.key_or_group, override.value()
        there = self.groups.get(group) or self.loader.get_group_options(group, ObjectType.CONFIG)
        if not there and group not in self.groups:
            return f"there is no config group {group!r}{did_you_mean(group, self.groups)}"
        if value is None:
            return f"expected the name of an option: {', '.join(there)}"
        for name in value if isinstance(value, list) else [value]:
            text = name.text if isinstance(name, QuotedString) else str(name)
            if text not in there:
                listing = ", ".join(there) or "nothing yet"
                return f"conf/{group} has no {text!r}{did_you_mean(text, there)}\nthere is: {listing}"
        return self._in_words(error)

    def _in_words(self, error: Exception) -> str:
        if isinstance(error, MissingConfigException) and error.missing_cfg_file:
            group, _, name = error.missing_cfg_file.rpartition("/")
            there = self.groups.get(group, [])
            where = re.match(r"In '([^']+)'", str(error))
            place = f"conf/{where[1]}.yaml names" if where else "there is no"
            listing = f"; there is: {', '.join(there)}" if there and not where else ""
            return f"{place} {error.missing_cfg_file}.yaml{', which is missing' if where else ''}" + (
                did_you_mean(name, there) or listing
            )
        return _brief(error)


def _unreadable(error: OverrideParseException) -> str:
    line = error.override
    if "=" not in line and not line.startswith("~"):
        return f"{line}: expected key=value{did_you_mean(line, ['--help', '--multirun', '--version'])}"
    if line.startswith("=") or re.search(r"^\S*\s+=|=\s+$", line):
        return f"{line!r}: expected key=value without spaces around the ="
    reason = str(error).splitlines()[0].removeprefix("LexerNoViableAltException: ")
    return (
        f"{line}: can't be read ({reason if reason != line else 'a character that needs quotes'})\n"
        f"a list is key=[1,2]; a text with special characters is quoted twice: 'key=\"a, b\"'"
    )


def _brief(error: BaseException) -> str:
    """What Hydra or OmegaConf say, on one line; the innermost says it best."""
    while isinstance(error.__cause__, OmegaConfBaseException):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [
        line for line in lines if line and not line.startswith(("full_key:", "object_type=", "Search path:"))
    ]
    return " ".join(kept[:2])


def _dotted(node: Mapping[Any, Any], prefix: str = "") -> list[str]:
    paths = []
    for name, value in node.items():
        paths.append(f"{prefix}{name}")
        if isinstance(value, Mapping):
            paths += _dotted(value, f"{prefix}{name}.")
    return paths


# ---------------------------------------------------------------- values


@dataclass
class _Notes:
    """What was met on the way through a config."""

    name: Callable[[str], str]
    missing: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)


def _plain(node: DictConfig | ListConfig, key: str, notes: _Notes, follow: bool = True) -> Any:
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
        return _plain(value, path, notes, follow) if isinstance(value, DictConfig | ListConfig) else value

    if isinstance(node, DictConfig):
        return {str(name): one(name) for name in node}
    return [one(index) for index in range(len(node))]


def _reference(error: OmegaConfBaseException, node: DictConfig | ListConfig) -> str:
    absent = re.search(r"Interpolation key '(.+)' not found", str(error))
    if isinstance(error, InterpolationKeyError) and absent:
        root = OmegaConf.to_container(node._get_root(), resolve=False)
        assert isinstance(root, dict)
        meant = likely_keys(absent[1], _dotted(root))
        return f"refers to {absent[1]}, which is not there" + (f"; did you mean {meant[0]}?" if meant else "")
    return f"can't be resolved: {_brief(error)}"


def _check_resume(config: Mapping[str, Any], choices: Mapping[str, str | None], sweep: bool) -> None:
    path = config["ckpt_path"]
    if path is None:
        return
    if sweep:
        raise InputError(f"ckpt_path={path}: one run is resumed in its own folder, a sweep starts new ones")
    if path == LAST:
        parent = runs_parent(config["paths"]["outputs"], choices.get("task"), choices.get("model"))
        if newest_run(parent) is None:
            raise InputError(
                f"ckpt_path=last: nothing to resume, no run in {parent} holds checkpoints/last.ckpt\n"
                "give task and model of that run, or name the file: ckpt_path=<run>/checkpoints/last.ckpt"
            )
    elif Path(path).is_dir():
        raise InputError(f"ckpt_path={path}: a folder; expected a file such as {path}/checkpoints/last.ckpt")
    elif not Path(path).is_file():
        raise InputError(f"ckpt_path={path}: there is no such file; expected last or the path of a .ckpt")


def _check_writable(outputs: Path) -> None:
    place = next(p for p in (outputs.absolute(), *outputs.absolute().parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"paths.outputs={outputs}: can't write to {place}; set paths.outputs=<folder>")


class _Sources:
    """Which override or file a key of the composed config comes from."""

    def __init__(self, flight: _Preflight, cfg: DictConfig, given: Sequence[Override]) -> None:
        self.flight = flight
        self.choices = {str(k): v for k, v in cfg.hydra.runtime.choices.items() if v is not None}
        self.given = {
            o.key_or_group: str(o.input_line) for o in given if o.is_delete() or not flight.is_group(o)
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
        holders = [f for f in [self.flight.config_name, *files] if self._holds(f, parts)]
        group = [f"{parts[0]}/{self.choices[parts[0]]}"] if parts[0] in self.choices else []
        place = (holders or group or [self.flight.config_name])[-1]
        return f"{key} (conf/{place}.yaml)"

    def written(self, key: str) -> Mapping[str, Any]:
        """See `Origin.written`."""
        group = key.partition(".")[0]
        if group not in self.choices:
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
        path = self.flight.conf / f"{name}.yaml"
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

"""What a person did wrong, from what Hydra says when a composition fails."""

import re
from collections.abc import Sequence
from contextlib import suppress

from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inspection.config.composer import Composer, dotted_keys
from inspection.config.signatures import signature
from inspection.config.suggest import did_you_mean, likely_keys

_FEW = 3  # options that are named


def explain(composer: Composer, overrides: Sequence[str], error: Exception) -> str:
    """The override that makes a composition fail, and what is wrong with it.

    Adds one override after the other, groups first as Hydra does, until the composition fails.
    """
    given = sorted(composer.parse(overrides), key=lambda override: not composer.is_group(override))
    cfg = OmegaConf.create()
    for number in range(len(given) + 1):
        try:
            cfg = composer.compose([str(override.input_line) for override in given[:number]])
        except Exception as failure:
            if number == 0:
                return f"conf/{composer.config_name}.yaml: {_in_words(composer, failure)}"
            return f"{given[number - 1].input_line}: {_mistake(composer, given[number - 1], cfg, failure)}"
    return _in_words(composer, error)


def _mistake(composer: Composer, override: Override, cfg: DictConfig, error: Exception) -> str:
    key = override.key_or_group
    if override.is_hydra_override() and "/" not in key:
        return _in_words(composer, error)
    if composer.is_group(override) and not override.is_delete() and not isinstance(override.value(), dict):
        return _group_mistake(composer, override, error)
    known = [k for k in dotted_keys(cfg) if k.partition(".")[0] != "hydra"]
    if key in known and not override.is_delete():
        if override.is_add():
            return f"the key exists; change it without the +: {str(override.input_line)[1:]}"
        inner = re.search(r"Key '(.+?)' is not in struct", brief(error))
        if inner is None:
            return _in_words(composer, error)
        key = f"{key}.{inner[1]}"  # optimizer={lrr: 0.1}
    return _unknown_key(composer, override, cfg, key, known)


def _unknown_key(
    composer: Composer, override: Override, cfg: DictConfig, key: str, known: Sequence[str]
) -> str:
    parent, _, name = key.rpartition(".")
    target = OmegaConf.select(cfg, f"{parent}._target_") if parent else None
    takes = signature(target) if isinstance(target, str) and not override.is_delete() else None
    if takes is not None and name in takes.parameters:
        return f"not in the config, but {target} takes it; add it with a plus: +{override.input_line}"
    # What stands first may be meant for a group (modle=lenet).
    meant = likely_keys(key, sorted({*known, *composer.groups}) if not parent else known)
    place = f"{parent} has no key {name!r}" if parent in known else f"there is no group or key {key!r}"
    if parent in composer.groups and not any(each.startswith(f"{parent}.") for each in meant):
        others = _options_with(composer, parent, name)
        if others:
            return f"{place} as it is; {' and '.join(others)} {'has' if len(others) == 1 else 'have'} it"
    return place + (f"; did you mean {' or '.join(meant)}?" if meant else "")


def _options_with(composer: Composer, group: str, name: str) -> list[str]:
    """The options of a group that have a key, as one picks them; none where they are many: that says little."""
    found = []
    for option in composer.options(group):
        with suppress(HydraException, OmegaConfBaseException):
            cfg = composer.compose([f"{group}={option}"])
            if name in (OmegaConf.select(cfg, group) or ()):
                found.append(f"{group}={option}")
    return found if len(found) <= _FEW else []


def _group_mistake(composer: Composer, override: Override, error: Exception) -> str:
    group, value = override.key_or_group, override.value()
    there = composer.options(group)
    if not there and group not in composer.groups:
        return f"there is no config group {group!r}{did_you_mean(group, composer.groups)}"
    if value is None:
        return f"expected the name of an option: {', '.join(there)}"
    for name in value if isinstance(value, list) else [value]:
        text = name.text if isinstance(name, QuotedString) else str(name)
        if text not in there:
            listing = ", ".join(there) or "nothing yet"
            return f"conf/{group} has no {text!r}{did_you_mean(text, there)}\nthere is: {listing}"
    return _in_words(composer, error)


def _in_words(composer: Composer, error: Exception) -> str:
    if not isinstance(error, MissingConfigException) or not error.missing_cfg_file:
        return brief(error)
    file = error.missing_cfg_file  # named in the defaults of another one
    group, _, name = file.rpartition("/")
    where = re.match(r"In '([^']+)'", str(error))
    place = f"conf/{where[1]}.yaml names {file}" if where else f"there is no conf/{file}.yaml"
    there = composer.groups.get(group, ())
    return place + (f", which is not there{did_you_mean(name, there)}" if where else "")


def unreadable(error: OverrideParseException) -> str:
    """Why an override breaks the grammar."""
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


def brief(error: BaseException) -> str:
    """What Hydra or OmegaConf say, on one line; the innermost says it best."""
    while isinstance(error.__cause__, OmegaConfBaseException):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [
        line for line in lines if line and not line.startswith(("full_key:", "object_type=", "Search path:"))
    ]
    return " ".join(kept[:2])

"""The help text, read from the comments of the YAML files; needs neither Hydra nor a YAML reader."""

import re
from pathlib import Path

PROMINENT = ("task", "model")
FLAGS = """\
Flags:
  -m, --multirun       run each combination of several values: optimizer.lr=0.1,0.01 seed=range(3)
  --cfg job            print the composed config instead of running; --resolve fills in references
  -h, --help           this text
  --version            version of the package
  --hydra-help         all flags of Hydra
Quote an override that the shell would take apart: 'data.crop=[0,0,64,64]', '~callbacks.heatmaps'."""


def help_text(config_name: str, description: str, conf: Path, script: str) -> str:
    """Usage, the options of each config group and the keys of the root config, with a line each.

    Args:
        config_name: Root config, `conf/<config_name>.yaml`.
        description: What the script does, printed first.
        conf: Folder of the config files.
        script: How the script was called.
    """
    lines = (conf / f"{config_name}.yaml").read_text(encoding="utf-8").splitlines()
    groups = [g for named in _groups(lines) for g in _with_nested(conf, named)]
    keys = _keys(lines)
    blocks = [description.strip(), f"Usage: python {script} [group=option ...] [key=value ...] [flags]"]
    for group in (g for g in groups if g in PROMINENT):
        rows = [(name, first_sentence(conf / group / f"{name}.yaml")) for name in options(conf / group)]
        blocks.append(_table(f"{group}=", rows))
    others = [(f"{g}=", ", ".join(options(conf / g))) for g in groups if g not in PROMINENT]
    if others := [row for row in others if row[1]]:
        blocks.append(_table("Other groups:", others))
    if keys:
        blocks.append(_table("Keys:", keys))
    if "trainer" in groups:
        more = "Any key of the composed config: data.root=<folder> optimizer.lr=0.001 trainer.max_epochs=5"
        blocks[-1] += f"\n  {more}"
    return "\n\n".join([*blocks, FLAGS])


def options(folder: Path) -> list[str]:
    """Names of the options of a config group, the task or model to pick."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def first_sentence(path: Path) -> str:
    """The first sentence of the first comment of a YAML file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if text and not text.startswith("@package"):
            return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0]
    return ""


def _groups(lines: list[str]) -> list[str]:
    found = (re.match(r"  - (?:optional )?/?(\w+):", line) for line in lines)
    return [match[1] for match in found if match]


def _with_nested(conf: Path, group: str) -> list[str]:
    """A group and the groups inside it (`data`, `data/augment`); none where there is no such folder."""
    folders = [p for p in (conf / group, *sorted((conf / group).rglob("*"))) if p.is_dir()]
    return [folder.relative_to(conf).as_posix() for folder in folders]


def _keys(lines: list[str]) -> list[tuple[str, str]]:
    found = (re.match(r"(\w+): *\S+ +# *(.+)", line) for line in lines)
    return [(f"{match[1]}=", match[2]) for match in found if match]


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {text}".rstrip() for name, text in rows)])

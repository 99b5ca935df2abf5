"""The training commands of the pages below docs/ can be: they compose, and their data modules are built."""

import re
import shlex
from pathlib import Path

import pytest

from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.instantiate import instantiate
from inspection.config.preflight import preflight

DOCS = Path(__file__).parents[1] / "docs"


def commands():
    """Arguments of each training command of each page."""
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["python", "scripts/train.py"]:
                    yield pytest.param(words[2:], id=f"{page.stem}: {' '.join(words[2:])}")


@pytest.mark.slow
@pytest.mark.parametrize("words", list(commands()))
def test_training_command(words, compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = "-m" in words
    overrides = [word for word in words if word not in ("-m", "...")]  # and so on
    register_resolvers()
    preflight("train", overrides, CONF, multirun=sweep)
    if not sweep:
        instantiate(compose("train", overrides).data)

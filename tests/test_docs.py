"""The commands of the pages below docs/ can be: they compose, and the data modules of trainings are built."""

import re
import shlex
from pathlib import Path

import pytest

from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.instantiate import instantiate
from inspection.config.preflight import preflight
from inspection.config.schema import ROOTS

DOCS = Path(__file__).parents[1] / "docs"


def commands(*names):
    """Script and arguments of each command of each page, of these scripts."""
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                script = re.fullmatch(r"scripts/(\w+)\.py", words[1]) if words[:1] == ["python"] else None
                if script is not None and script[1] in names:
                    yield pytest.param(script[1], words[2:], id=f"{page.stem}: {' '.join(words[1:])}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), list(commands("train")))
def test_training_command(name, words, compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = "-m" in words
    overrides = [word for word in words if word not in ("-m", "...")]  # and so on
    register_resolvers()
    preflight("train", overrides, CONF, multirun=sweep)
    if not sweep:
        instantiate(compose("train", overrides).data)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), list(commands(*set(ROOTS) - {"train"})))
def test_other_command(name, words):
    register_resolvers()
    preflight(name, [re.sub("[<>]", "", word) for word in words], CONF)  # <time> stands for a real one


@pytest.mark.parametrize("page", sorted((CONF.parent / "docs").glob("*.md")), ids=lambda page: page.name)
def test_nothing_was_left_to_fill_in(page):
    assert not re.search(
        r"^(TABLE|MEASURED|SPEED|TODO|FIXME)\b", page.read_text(encoding="utf-8"), re.MULTILINE
    )

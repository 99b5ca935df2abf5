import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hydra.utils import get_object

from inspection.config import signatures
from inspection.config.signatures import Parameter, neighbours, signature

SOURCE = """
from __future__ import annotations
import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Optional, Sequence
import torch
from probe.other import Mode, Renamed as Alias

Balance = Literal["sampler", "loss"]

class Plain(abc.ABC):
    def __init__(self, root: str | None, shape: "tuple[int, int]", *, balance: Balance = "loss",
                 net: torch.nn.Module, mode: Mode = "max", extra=3, where: Optional[Path] = None):
        pass

    @classmethod
    def tiny(cls, width: int = 2): ...

class Child(Plain):
    pass

class Hands(Plain):
    def __init__(self, folders: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)

class Open:
    def __init__(self, **anything: int) -> None: ...

@dataclass
class Fields:
    kind: ClassVar[int] = 3
    low: float
    high: float = 1.0
    names: list[str] = field(default_factory=list)
    hidden: int = field(default=1, init=False)

def build(sizes: dict[str, int], flag: bool = False): ...
"""


@pytest.fixture(autouse=True)
def _probe(tmp_path, monkeypatch):
    package = tmp_path / "probe"
    package.mkdir()
    (package / "__init__.py").write_text("from .shapes import Child as Exported\nfrom .shapes import *\n")
    (package / "shapes.py").write_text(SOURCE)
    (package / "other.py").write_text(
        'from typing import Literal\nMode = Literal["max", "min"]\nclass Renamed: ...\n'
    )
    monkeypatch.setattr(signatures, "PACKAGE", package)
    for cached in (signatures.signature, signatures._module):
        cached.cache_clear()
    yield
    for cached in (signatures.signature, signatures._module):
        cached.cache_clear()


def test_constructor():
    found = signature("probe.shapes.Plain")
    assert found is not None
    assert not found.open
    assert found.parameters == {
        "root": Parameter(str | None, True),
        "shape": Parameter(tuple[int, int], True),
        "balance": Parameter(Literal["sampler", "loss"], False),
        "net": Parameter(Any, True),
        "mode": Parameter(Literal["max", "min"], False),
        "extra": Parameter(Any, False),
        "where": Parameter(Path | None, False),
    }
    assert not found.parameters["net"].from_config  # a network is handed over by the code
    assert found.parameters["shape"].from_config


def test_inherited_and_reexported():
    plain = signature("probe.shapes.Plain")
    assert signature("probe.shapes.Child") == signature("probe.Exported") == signature("probe.Plain") == plain


def test_keywords_handed_to_the_base_class():
    found, plain = signature("probe.shapes.Hands"), signature("probe.shapes.Plain")
    assert found is not None
    assert plain is not None
    assert found.parameters == plain.parameters | {"folders": Parameter(Sequence[str], True)}
    assert not found.open


def test_other_forms():
    fields, build = signature("probe.shapes.Fields"), signature("probe.shapes.build")
    assert fields is not None
    assert fields.parameters == {
        "low": Parameter(float, True),
        "high": Parameter(float, False),
        "names": Parameter(list[str], False),
    }
    assert build is not None
    assert build.parameters == {"sizes": Parameter(dict[str, int], True), "flag": Parameter(bool, False)}
    assert signature("probe.shapes.Plain.tiny").parameters == {"width": Parameter(int, False)}
    assert signature("probe.shapes.Open").open
    assert Mapping not in build.parameters


def test_what_is_not_there():
    assert signature("probe.shapes.Plane") is None
    assert signature("probe.shape.Plain") is None
    assert signature("nowhere.at.All") is None
    assert "probe.shapes.Plain" in neighbours("probe.shapes.Plane")
    assert "probe.shapes.Plain" in neighbours("probe.shape.Plain")


FOREIGN = [
    "torch.optim.SGD",
    "torch.nn.CrossEntropyLoss",
    "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.ModelCheckpoint",
]


@pytest.mark.slow
@pytest.mark.parametrize("target", FOREIGN)
def test_source_says_what_the_imported_class_says(target):
    found = signature(target)
    imported = {
        name: p.default is p.empty
        for name, p in inspect.signature(get_object(target)).parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    assert found is not None
    assert {name: p.required for name, p in found.parameters.items()} == imported


def test_reads_without_importing():
    before = set(sys.modules)
    signature("torchvision.ops.MLP")
    assert not {name for name in set(sys.modules) - before if name.startswith("torchvision")}

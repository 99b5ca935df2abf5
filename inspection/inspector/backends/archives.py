"""Whether a `.pt2` holds nothing but tensors and a graph of known operations.

`torch.export.load` unpickles what an archive asks it to unpickle, looks up whatever function a graph names, and
evaluates expressions of sizes. So an archive that came by mail is looked through before it is opened.
"""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

_RAW = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_CONFIG = re.compile(r"data/(weights|constants)/\w+_config\.json")
_INPUTS = re.compile(r"data/sample_inputs/\w+\.pt")
_GRAPH = re.compile(r"models/\w+\.json")
_WORDS = re.compile(r"extra/[\w.]+|archive_format|archive_version|byteorder|\.data/\w+")
_OPERATION = re.compile(
    r"torch\.ops\.(?!aten\.(from_file|save)\b)(aten|prims|inspection)\.\w+\.\w+"
    r"|_operator\.(add|sub|mul|floordiv|mod|neg|pow|truediv|getitem|eq|ne|lt|le|gt|ge)"
)
_SIZE = re.compile(
    r"(Symbol\('[a-z]+\d+'(, \w+=(True|False))*\)|Integer\(-?\d+\)|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv"
    r"|CleanDiv|[su]?\d+|[-+*/(), ])+"
)


def check_program(path: Path) -> None:
    """Look through a `.pt2`.

    Raises:
        ValueError: If it holds what this project does not write, and its reader might execute.
        OSError, zipfile.BadZipFile, KeyError: If it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            part = name.partition("/")[2]
            if _RAW.fullmatch(part) or _WORDS.fullmatch(part):
                continue
            content = archive.read(name)
            if _CONFIG.fullmatch(part):
                _check_config(json.loads(content), part)
            elif _GRAPH.fullmatch(part):
                _check_graph(json.loads(content))
            elif _INPUTS.fullmatch(part):
                _check_inputs(content, part)
            else:
                raise ValueError(f"it holds {part!r}, which no exported inspector does")


def _check_config(config: Any, part: str) -> None:
    folder = part.rpartition("/")[0]
    for entry in config["config"].values():
        if entry["use_pickle"] or not _RAW.fullmatch(f"{folder}/{entry['path_name']}"):
            raise ValueError(f"{part} asks for {entry['path_name']!r} to be unpickled")


def _check_inputs(content: bytes, part: str) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(f"{part} holds more than tensors ({str(error).splitlines()[0]})") from None


def _check_graph(graph: Any) -> None:
    if graph.get("guards_code"):
        raise ValueError("it holds code to be executed (guards_code)")
    for key, value in _entries(graph):
        if key == "target" and not _OPERATION.fullmatch(str(value)):
            raise ValueError(f"it calls {value!r}, which is no operation of a network")
        if key == "expr_str" and not _SIZE.fullmatch(str(value)):
            raise ValueError(f"it evaluates {value!r}, which is no size")


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and plain values anywhere in a JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                yield from _entries(item)
            else:
                yield key, item
    elif isinstance(value, list):
        for item in value:
            yield from _entries(item)

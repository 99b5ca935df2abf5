"""Whether a `.pt2` or `.ts` holds nothing but tensors and known operations.

`torch.export.load` unpickles what an archive asks it to unpickle, looks up whatever function a graph names, and
evaluates expressions of sizes. So an archive that came by mail is looked through before it is opened.
"""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
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

_DOES_MORE = re.compile(
    r"__[gs]etstate__|\bops\.(?!(inspection|prim|aten)\.)\w+|(torch|aten)\.(save|load|from_file|_save|_load\w*)\b"
)
"""What is done when a script is opened, operations from elsewhere, and files."""


def checked_program(path: Path) -> io.BytesIO:
    """Look through a `.pt2`.

    Returns:
        An archive of exactly what was looked at, for torch to read.

    Raises:
        ValueError: If it holds what this project does not write, and its reader might execute.
        OSError, zipfile.BadZipFile, KeyError: If it is damaged.
    """
    members = _members(path)
    for name, content in members.items():
        part = name.partition("/")[2]
        if _RAW.fullmatch(part) or _WORDS.fullmatch(part):
            continue
        if _CONFIG.fullmatch(part):
            _check_config(json.loads(content), part)
        elif _GRAPH.fullmatch(part):
            _check_graph(json.loads(content))
        elif _INPUTS.fullmatch(part):
            _check_inputs(content, part)
        else:
            raise ValueError(f"it holds {part!r}, which no exported inspector does")
    return _archive(members)


def checked_script(path: Path) -> io.BytesIO:
    """Look through a `.ts`, whose code may run as soon as it is opened.

    Returns:
        As `checked_program`.

    Raises:
        ValueError: If its code does more than to compute.
        OSError, zipfile.BadZipFile: If it is damaged.
    """
    members = _members(path)
    for name, content in members.items():
        if name.partition("/")[2].startswith("code/") and name.endswith(".py"):
            found = _DOES_MORE.search(content.decode())
            if found:
                raise ValueError(f"its code does more than to compute: {found[0]!r}")
    return _archive(members)


def _members(path: Path) -> dict[str, bytes]:
    """All members by name; of two of one name, readers differ in which they take."""
    with zipfile.ZipFile(path) as archive:
        names = [name.lower() for name in archive.namelist()]
        if len(set(names)) != len(names):
            raise ValueError("it holds two members of one name")
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members: Mapping[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    stream.seek(0)
    return stream


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
    if graph["graph_module"].get("treespec_namedtuple_fields"):
        raise ValueError("it names classes to be made (treespec_namedtuple_fields)")
    for key, value in _entries(graph):
        if key in ("in_spec", "out_spec") and value:
            _check_spec(json.loads(value)[1])
        if key == "target" and not _OPERATION.fullmatch(str(value)):
            raise ValueError(f"it calls {value!r}, which is no operation of a network")
        if key == "expr_str" and not _SIZE.fullmatch(str(value)):
            raise ValueError(f"it evaluates {value!r}, which is no size")


def _check_spec(spec: Any) -> None:
    """How values are nested: lists, and dictionaries by plain names; other kinds import what they name."""
    context = json.loads(spec["context"]) if isinstance(spec["context"], str) else spec["context"]
    plain = context is None or (isinstance(context, list) and all(isinstance(key, str) for key in context))
    if spec["type"] not in (None, "builtins.tuple", "builtins.list", "builtins.dict") or not plain:
        raise ValueError(f"it nests its values in {spec['type']!r} ({spec['context']})")
    for each in spec["children_spec"]:
        _check_spec(each)


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

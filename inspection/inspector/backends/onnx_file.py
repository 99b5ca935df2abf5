"""What lies in an ONNX file, read without the package `onnx`, and the part of it that gives some of its outputs.

ONNX Runtime runs every node of a graph, whatever it is asked for: neither `only_execute_path_to_fetches` nor a
graph with fewer outputs changes that (seen in 1.31). So what is not asked for has to be taken out.

A file is nested messages of numbered fields (https://protobuf.dev/programming-guides/encoding), which are listed
in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet

_GRAPH_OF_MODEL, _METADATA_OF_MODEL = 7, 14
_KEY, _VALUE = 1, 2  # of metadata
_NODE, _WEIGHTS, _OUTPUT = 1, 5, 12  # of a graph
_NAME_OF_WEIGHTS, _NAME_OF_OUTPUT = 8, 1
_READS, _GIVES, _OPERATION, _ATTRIBUTE = 1, 2, 4, 5  # of a node
_GRAPH_OF_ATTRIBUTE, _GRAPHS_OF_ATTRIBUTE = 6, 11

_VARINT, _EIGHT_BYTES, _WITH_LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # kinds of fields

Field = tuple[int, memoryview, memoryview]
"""Its number, what is in it, and all its bytes."""


class OnnxFile:
    """A model as it lies in a file.

    Args:
        data: Of the file.

    Attributes:
        metadata: What the exporter wrote into the file.
        outputs: Names, in order.

    Raises:
        ValueError: If it is no such file, or is cut off.
    """

    def __init__(self, data: bytes) -> None:
        self._fields = list(_fields(memoryview(data)))
        graphs = [content for number, content, _ in self._fields if number == _GRAPH_OF_MODEL]
        if len(graphs) != 1:
            raise ValueError("it holds no graph")
        self._graph = list(_fields(graphs[0]))
        entries = [content for number, content, _ in self._fields if number == _METADATA_OF_MODEL]
        self.metadata = {_text(entry, _KEY): _text(entry, _VALUE) for entry in entries}
        self.outputs = tuple(
            _text(content, _NAME_OF_OUTPUT) for number, content, _ in self._graph if number == _OUTPUT
        )

    def part(self, outputs: Collection[str]) -> bytes:
        """The file of a model that gives some of the outputs and computes nothing else.

        Args:
            outputs: Their names.
        """
        needed, nodes = set(outputs), {}
        for place in reversed(range(len(self._graph))):  # a node stands behind those that it reads from
            number, content, _ = self._graph[place]
            if number == _NODE and not needed.isdisjoint(_texts(content, _GIVES)):
                nodes[place] = _without_places(self._graph[place], needed)
                needed.update(_read_by(content))
        kept: list[bytes | memoryview] = []
        for place, (number, content, whole) in enumerate(self._graph):
            if number == _NODE:
                kept += [nodes[place]] if place in nodes else []
            elif number == _WEIGHTS:
                kept += [whole] if _text(content, _NAME_OF_WEIGHTS) in needed else []
            elif number != _OUTPUT or _text(content, _NAME_OF_OUTPUT) in outputs:
                kept.append(whole)
        graph = _head(_GRAPH_OF_MODEL, sum(map(len, kept)))
        return b"".join(
            [*(whole for number, _, whole in self._fields if number != _GRAPH_OF_MODEL), graph, *kept]
        )


def _without_places(node: Field, needed: AbstractSet[str]) -> bytes | memoryview:
    """A MaxPool without its second output where nobody reads it: giving it, it is ten times as slow."""
    number, content, whole = node
    if _text(content, _OPERATION) != "MaxPool" or needed >= set(_texts(content, _GIVES)[1:]):
        return whole
    kept, given = [], 0
    for inner, _, field in _fields(content):
        given += inner == _GIVES
        if inner != _GIVES or given == 1:
            kept.append(field)
    return b"".join([_head(number, sum(map(len, kept))), *kept])


def _read_by(node: memoryview) -> Iterator[str]:
    """What a node reads, with what the graphs inside of it read (the branches of an If)."""
    for number, content, _ in _fields(node):
        if number == _READS:
            yield bytes(content).decode()
        elif number == _ATTRIBUTE:
            for inner, graph, _ in _fields(content):
                if inner in (_GRAPH_OF_ATTRIBUTE, _GRAPHS_OF_ATTRIBUTE):
                    for part, value, _ in _fields(graph):
                        if part == _NODE:
                            yield from _read_by(value)
                        elif part == _OUTPUT:  # may be a value from outside as it is
                            yield _text(value, _NAME_OF_OUTPUT)


def _texts(message: memoryview, wanted: int) -> list[str]:
    """Contents of all fields of a number, as text."""
    return [bytes(content).decode() for number, content, _ in _fields(message) if number == wanted]


def _text(message: memoryview, wanted: int) -> str:
    """The first of `_texts`, or nothing."""
    return next(iter(_texts(message, wanted)), "")


def _fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message."""
    at = 0
    while at < len(message):
        start = at
        key, at = _integer(message, at)
        begin, kind = at, key & 7
        if kind == _VARINT:
            _, at = _integer(message, at)
        elif kind == _WITH_LENGTH:
            length, begin = _integer(message, at)
            at = begin + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind} at byte {start}")
        if at > len(message):
            raise ValueError("it is cut off")
        yield key >> 3, message[begin:at], message[start:at]


def _integer(message: memoryview, at: int) -> tuple[int, int]:
    """An integer of variable length, seven bits a byte, the lowest first; and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            raise ValueError("it is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("an integer has no end")


def _head(number: int, length: int) -> bytes:
    """What stands before the content of a field that says how long it is."""
    head = bytearray([number << 3 | _WITH_LENGTH])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head)

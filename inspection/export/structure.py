"""What of an ONNX graph may be computed with integers, found by how the graph hangs together."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.inspector.backends import FEATURES

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_CHOOSING = frozenset({"NonMaxSuppression", "TopK", "RoiAlign", "ArgMax", "ArgMin", "NonZero", "GatherND"})
_RELU = frozenset({"Relu", "LeakyRelu"})
_NETWORK = "network."  # before the name of a weight
_NARROW = 16  # channels
APART, _OF_ANSWER = "_apart", "_of_answer"
_COLOURS = 4  # channels of an image at most


@dataclass(frozen=True)
class Layer:
    """An operation with trained weights.

    Attributes:
        node: Name of its node.
        name: As the network calls it: `features.0`.
        channels: Of its input and its output.
        spatial: Whether it is a convolution.
    """

    node: str
    name: str
    channels: tuple[int, int]
    spatial: bool

    @property
    def narrow(self) -> bool:
        """Whether it is a convolution of few channels, the image's own not counted."""
        of_maps = [number for number in self.channels if number > _COLOURS]
        return self.spatial and min(of_maps, default=0) < _NARROW


@dataclass(frozen=True)
class Structure:
    """Layers of a graph, and what must stay in float32.

    Attributes:
        layers: On the way to the answer, in their order.
        floats: Names of the nodes that stay: the normalisation before the first layers, what makes an answer of
            the numbers of the last ones (softmax, decoding, choice of boxes), and all that the answer does not
            need (heatmaps, features).
        last: Values that the last layers give.
        telling: Values that say how near a graph is to another: the answer, in which a class that is sure in both
            counts nothing however far its logits are apart; of boxes what the last layers give, since which of
            them are chosen, and in what order, jumps.
    """

    layers: tuple[Layer, ...]
    floats: tuple[str, ...]
    last: tuple[str, ...]
    telling: tuple[str, ...]


def structure_of(model: "ModelProto", answer: str) -> Structure:
    """The structure of a graph.

    Args:
        model: With a name of its own for each node.
        answer: Name of the output that verdicts are made of.
    """
    graph = model.graph
    nodes = {node.name: node for node in graph.node}
    makes = {value: node.name for node in graph.node for value in node.output}
    before = {name: [makes[value] for value in node.input if value in makes] for name, node in nodes.items()}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for name, sources in before.items():
        for source in sources:
            after[source].append(name)

    needed = _reached([makes[answer]], before.__getitem__)
    weights = _weights(graph)
    layers = {
        name: _layer(node, weights)
        for name, node in nodes.items()
        if name in needed and node.op_type in _LAYERS and _weight_of(node, weights) is not None
    }
    choosing = [name for name in needed if nodes[name].op_type in _CHOOSING]
    decoding = _reached([makes[answer], *choosing], before.__getitem__, layers.__contains__)
    normalising = needed - _reached(layers, after.__getitem__)
    stays = (nodes.keys() - needed) | decoding | normalising
    final = [name for name in layers if not (_reached(after[name], after.__getitem__) & layers.keys())]
    last = tuple(nodes[name].output[0] for name in final)
    return Structure(
        tuple(layers.values()),
        tuple(name for name in nodes if name in stays),
        last,
        last if choosing else (answer,),
    )


def relu_before_pooling(model: "ModelProto", spared: Iterable[str] = ()) -> int:
    """Let ReLUs behind max-pools change places with them, in place: the same numbers.

    A runtime merges convolution, ReLU and rounding into one integer operation only where they follow each other.
    In float32 the other order is faster, and our networks have it.

    Args:
        model: Is changed.
        spared: Names of convolutions behind which all stays as it is.

    Returns:
        How many changed places.
    """
    nodes = list(model.graph.node)
    place = {node.name: number for number, node in enumerate(nodes)}
    makers = {value: node for node in nodes for value in node.output}
    takers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for value in node.input:
            takers.setdefault(value, []).append(node)
    taken = {output.name for output in model.graph.output} | {
        value for value, users in takers.items() if len(users) > 1
    }
    spared, shapes = set(spared), {}
    for pool in list(nodes):
        if pool.op_type != "MaxPool" or len(pool.output) > 1 or {pool.input[0], pool.output[0]} & taken:
            continue
        maps, pooled = pool.input[0], pool.output[0]
        layer, relu = makers.get(maps), takers[pooled][0]
        if layer is None or layer.op_type != "Conv" or relu.op_type not in _RELU:
            continue
        if layer.name in spared or layer.name.endswith(APART):
            continue
        cut = relu.output[0]
        relu.input[0], relu.output[0], pool.input[0], pool.output[0] = maps, pooled, pooled, cut
        first, second = place[pool.name], place[relu.name]
        nodes[first], nodes[second] = relu, pool
        shapes[pooled] = maps
    replace_nodes(model, nodes)
    _describe(model, shapes)
    return len(shapes)


def set_apart(model: "ModelProto", answer: str) -> list[str]:
    """Let heatmaps be computed from the explained layer on by operations of their own, in place.

    A runtime merges operations into integer ones only where nothing else asks for what they give. And evidence is
    nearer to the original's where all behind the explained maps is float32: rounded maxima are not found again.
    Features are the answer's own: a stream asks for them with each verdict, and apart they would cost the float32
    of a large linear layer (of SimpleCNN 53 ms an image, against 4 for all the rest).

    Args:
        model: Is changed; with a name of its own for each node.
        answer: Name of the output that verdicts are made of.

    Returns:
        Names of the new nodes.
    """
    further = not_needed(model, answer)
    results = {output.name for output in model.graph.output if output.name not in (answer, FEATURES)}
    copied = _shared(model, structure_of(model, answer), further, results)
    values = {value for node in copied for value in node.output if value}
    names = {node.name for node in copied}
    nodes = []
    for node in model.graph.node:
        if node.name in names:
            copy = _copy(node)
            copy.name += APART
            copy.input[:] = [value + APART if value in values else value for value in node.input]
            copy.output[:] = [value and value + APART for value in node.output]
            nodes.append(copy)
            if node.op_type == "MaxPool":
                del node.output[1:]  # the places of the maxima are for evidence
        elif node.name in further:
            node.input[:] = [value + APART if value in values else value for value in node.input]
        nodes.append(node)
    replace_nodes(model, nodes)
    _describe(model, {value + APART: value for value in values})
    _describe(model, {value + _OF_ANSWER: value for value in results & values})
    for result in results & values:  # a result keeps its name, and the answer's value gives its own away
        for node in model.graph.node:
            for each in (node.input, node.output):
                each[:] = [_renamed(value, result) for value in each]
    return [name + APART for name in names]


def _shared(
    model: "ModelProto", structure: Structure, further: Collection[str], results: Collection[str]
) -> list["NodeProto"]:
    """Nodes of the answer's that evidence needs, too: from the explained layer on, or what else it reads first."""
    fixed = {*further, *structure.floats}  # they are float32 in any case
    read = {*results, *(value for node in model.graph.node if node.name in further for value in node.input)}
    read -= {*structure.last}  # which class is explained is up to the answer
    makes = {value: node.name for node in model.graph.node for value in node.output}
    own = [node for node in model.graph.node if node.name not in fixed]
    behind = {node.name for node in own if not read.isdisjoint(node.output)}
    before = set(behind)
    for node in own:
        if not behind.isdisjoint(makes.get(value, "") for value in node.input):
            behind.add(node.name)
    for node in reversed(own):
        if node.name in before:
            before.update(makes[value] for value in node.input if value in makes)
    copied = behind & before
    layers = {layer.node for layer in structure.layers}
    rounded = {value for node in own if node.name in layers for value in node.input}
    for node in reversed(own):  # up to values that are rounded: a copy may read these
        if node.name in copied - layers:
            copied.update(makes[value] for value in node.input if value in makes and value not in rounded)
    return [node for node in own if node.name in copied]


def _renamed(value: str, result: str) -> str:
    if value == result:
        return value + _OF_ANSWER
    return result if value == result + APART else value


def _copy(node: "NodeProto") -> "NodeProto":
    return type(node).FromString(node.SerializeToString())


def not_needed(model: "ModelProto", answer: str) -> set[str]:
    """Names of the nodes that the answer does not hang on."""
    makes = {value: node for node in model.graph.node for value in node.output}

    def before(name: str) -> list[str]:
        return [makes[value].name for value in by_name[name].input if value in makes]

    by_name = {node.name: node for node in model.graph.node}
    return by_name.keys() - _reached([makes[answer].name], before)


def replace_nodes(model: "ModelProto", nodes: "Iterable[NodeProto]") -> None:
    """Give a graph these nodes instead of its own, in place."""
    copies = [_copy(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _describe(model: "ModelProto", shapes: Mapping[str, str]) -> None:
    """Give values the type and shape of others, by their names: NNCF asks for those of every value."""
    known = {each.name: each for each in (*model.graph.value_info, *model.graph.output)}
    kept = [each for each in model.graph.value_info if each.name not in shapes]
    for name, like in shapes.items():
        if like in known:
            kept.append(type(known[like]).FromString(known[like].SerializeToString()))
            kept[-1].name = name
    kept = [type(each).FromString(each.SerializeToString()) for each in kept]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def with_added_biases(model: "ModelProto") -> "ModelProto":
    """The same graph, in which an operation of its own adds the bias of each convolution.

    OpenVINO 2026.4 loses the bias of a quantised convolution in some graphs with a free number of images, such as
    those with heatmaps; not one that is added.
    """
    from onnx import helper, numpy_helper

    model = type(model).FromString(model.SerializeToString())
    weights = {each.name: each for each in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type != "Conv" or len(node.input) < 3 or node.input[2] not in weights:
            continue
        bias = numpy_helper.to_array(weights[node.input[2]]).reshape(1, -1, 1, 1).copy()
        name, result = f"{node.name}_bias", node.output[0]
        model.graph.initializer.append(numpy_helper.from_array(bias, name))
        del node.input[2]
        node.output[0] = f"{result}_without_bias"
        nodes.append(helper.make_node("Add", [node.output[0], name], [result], f"{node.name}_plus_bias"))
    replace_nodes(model, nodes)
    return model


def name_nodes(model: "ModelProto") -> None:
    """Give each node a name of its own, in place."""
    known: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in known:
            node.name = f"{node.op_type}_{number}"
        known.add(node.name)


def sort_nodes(model: "ModelProto") -> None:
    """Put each node behind those that it needs, in place, as far as possible in the order that they had."""
    there = {"", *(value.name for value in (*model.graph.initializer, *model.graph.input))}
    waiting, done = list(model.graph.node), []
    while waiting:
        late = []
        for node in waiting:
            if there.issuperset(node.input):
                done.append(node)
                there.update(node.output)
            else:
                late.append(node)
        if len(late) == len(waiting):
            raise ValueError("the graph has a loop")
        waiting = late
    replace_nodes(model, done)


def _reached(
    start: Iterable[str], further: Callable[[str], Iterable[str]], stop: Callable[[str], bool] | None = None
) -> set[str]:
    """All names from some on, those where the way stops left out."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen and not (stop is not None and stop(name)):
            seen.add(name)
            waiting += further(name)
    return seen


def _weights(graph: "GraphProto") -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name and shape of the weights behind each value that depends on weights alone."""
    known = {each.name: (each.name, tuple(each.dims)) for each in graph.initializer}
    for node in graph.node:
        if node.input and all(value in known for value in node.input if value):
            name, shape = known[node.input[0]]
            if node.op_type == "Transpose":
                shape = shape[::-1]
            known |= dict.fromkeys(node.output, (name, shape))
    return known


def _weight_of(
    node: "NodeProto", weights: dict[str, tuple[str, tuple[int, ...]]]
) -> tuple[str, tuple[int, ...]] | None:
    return weights.get(node.input[1]) if len(node.input) > 1 else None


def _layer(node: "NodeProto", weights: dict[str, tuple[str, tuple[int, ...]]]) -> Layer:
    found = _weight_of(node, weights)
    assert found is not None
    name, shape = found
    attributes = {each.name: each for each in node.attribute}
    first, second = (shape[0], shape[1]) if len(shape) > 1 else (1, 1)
    spatial = node.op_type in ("Conv", "ConvTranspose")
    groups = attributes["group"].i if "group" in attributes else 1
    if node.op_type == "Conv" or (
        node.op_type == "Gemm" and "transB" in attributes and attributes["transB"].i
    ):
        channels = (second * groups, first)
    else:
        channels = (first, second * groups)
    known = [
        each for each in (name, *node.input[2:]) if _NETWORK in each
    ]  # transposed weights lost their name
    plain = known[0].rpartition(_NETWORK)[2].rpartition(".")[0] if known else node.name
    return Layer(node.name, plain, channels, spatial)

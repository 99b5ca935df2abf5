"""The parameters of a `_target_`, read from its source file without importing it.

Importing a network or a Trainer costs seconds of torch; parsing its file costs milliseconds. So the command
line can say that `model.widht` does not exist before anything heavy is loaded.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal, Union

PACKAGE = Path(__file__).resolve().parents[1]
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

PLAIN: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "None": None,
    "Path": Path,
    "list": list,
    "List": list,
    "tuple": tuple,
    "Tuple": tuple,
    "Sequence": Sequence,
    "Iterable": Iterable,
    "Collection": Iterable,
    "dict": dict,
    "Dict": dict,
    "Mapping": Mapping,
    "MutableMapping": Mapping,
}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type hint (`Any` where the source names a type that YAML cannot write)."""

    hint: Any
    required: bool

    @property
    def from_config(self) -> bool:
        """Whether a config has to give it: a network or a loss function is handed over by the code."""
        return self.required and self.hint is not Any


@dataclass(frozen=True)
class Signature:
    """What a target can be called with; `open` when it takes any keyword (`**kwargs`)."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    open: bool = False


@dataclass(frozen=True)
class _Module:
    name: str
    path: Path
    definitions: dict[str, Definition]
    aliases: dict[str, ast.expr]  # module level `Name = expression`
    imports: dict[str, str]  # local name: dotted target
    stars: tuple[str, ...]  # modules of `from ... import *`


@cache
def signature(target: str) -> Signature | None:
    """The parameters of a class or function named by its dotted path, or None where no source shows them.

    Follows re-exports (`torch.optim.SGD` lies in `torch/optim/sgd.py`), inherited constructors and dataclass
    fields.
    """
    found = _find(target)
    if found is None:
        return None
    module, node, bound = found
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return _of_function(module, node, skip_first=bound)


def neighbours(target: str) -> list[str]:
    """Dotted names that exist where a target of this package was looked for: classes, or modules."""
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        parent = ".".join(parts[:length])
        module = _module(parent)
        if module is None:
            continue
        if module.path.name != "__init__.py":
            return [f"{parent}.{name}" for name in module.definitions if not name.startswith("_")]
        rest = parts[length + 1 :]
        files = [f for f in module.path.parent.iterdir() if f.suffix == ".py" or (f / "__init__.py").exists()]
        return [".".join([parent, f.stem, *rest]) for f in sorted(files) if not f.stem.startswith("_")]
    return []


# ---------------------------------------------------------------- where a name is defined


@cache
def _module(name: str) -> _Module | None:
    path = _file(name)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = _Module(name, path, {}, {}, {}, ())
    stars: list[str] = []
    for node in _top_level(tree.body):
        if isinstance(node, Definition):
            module.definitions[node.name] = node
        elif (
            isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        ):
            module.aliases[node.targets[0].id] = node.value
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, name, path.name == "__init__.py")
            for alias in node.names:
                if alias.name == "*":
                    stars.append(source)
                else:
                    module.imports[alias.asname or alias.name] = f"{source}.{alias.name}"
    return _Module(name, path, module.definitions, module.aliases, module.imports, tuple(stars))


def _file(name: str) -> Path | None:
    """The source file of a module. Only looks at paths: `importlib.util.find_spec` would import parents."""
    top, *rest = name.split(".")
    if top == PACKAGE.name:
        folder = PACKAGE
    else:
        spec = PathFinder.find_spec(top)
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(next(iter(spec.submodule_search_locations)))
    path = folder.joinpath(*rest)
    candidates = [path / "__init__.py", path.with_suffix(".py")] if rest else [path / "__init__.py"]
    return next((c for c in candidates if c.is_file()), None)


def _top_level(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):  # `if TYPE_CHECKING:`
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _top_level(node.body)


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*base, node.module] if node.module else base)


def _find(target: str, depth: int = 0) -> tuple[_Module, Definition, bool] | None:
    """The module and node that define a dotted name; True where its first parameter is bound (self, cls)."""
    parts = target.split(".")
    if depth > 8:  # re-exports that go round in a circle
        return None
    for length in range(len(parts) - 1, 0, -1):
        module = _module(".".join(parts[:length]))
        if module is None:
            continue
        name, *rest = parts[length:]
        if name in module.definitions:
            return _member(module, module.definitions[name], rest)
        if name in module.imports:
            return _find(".".join([module.imports[name], *rest]), depth + 1)
        hits = (_find(".".join([star, name, *rest]), depth + 1) for star in module.stars)
        return next((hit for hit in hits if hit), None)
    return None


def _member(
    module: _Module, node: Definition, rest: Sequence[str]
) -> tuple[_Module, Definition, bool] | None:
    if not rest:
        return module, node, False
    method = _method(node, rest[0]) if isinstance(node, ast.ClassDef) and len(rest) == 1 else None
    if method is None:
        return None
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list)
    return module, method, not static


# ---------------------------------------------------------------- parameters


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name == name:
            return item
    return None


def _of_function(
    module: _Module, node: ast.FunctionDef | ast.AsyncFunctionDef, skip_first: bool
) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    parameters = {
        a.arg: Parameter(_hint(a.annotation, module), index < without_default)
        for index, a in enumerate(positional)
        if index > 0 or not skip_first
    }
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters[argument.arg] = Parameter(_hint(argument.annotation, module), default is None)
    return Signature(parameters, open=arguments.kwarg is not None)


def _of_class(module: _Module, node: ast.ClassDef) -> Signature | None:
    init = _method(node, "__init__")
    if init is not None and not _hands_on_keywords(init):
        return _of_function(module, init, skip_first=True)
    bases = [s for s in (_of_base(module, base) for base in node.bases) if s != Signature()]
    if init is not None:
        own, base = _of_function(module, init, skip_first=True), bases[0] if bases else Signature()
        if base is None:
            return None
        given = _keywords_given(init)  # what the class fills in itself is no longer asked for
        left = {name: parameter for name, parameter in base.parameters.items() if name not in given}
        return Signature(left | own.parameters, base.open)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        inherited = {n: p for s in bases if s is not None for n, p in s.parameters.items()}
        return Signature(inherited | _dataclass_fields(module, node))
    return bases[0] if bases else Signature()


def _hands_on_keywords(init: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a constructor gives its `**keywords` to the one of its base class."""
    name = init.args.kwarg.arg if init.args.kwarg else None
    return name is not None and any(
        k.arg is None and _dotted(k.value) == name for call in _calls_of_base(init) for k in call.keywords
    )


def _keywords_given(init: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Parameters that a constructor gives to the one of its base class by name."""
    return {k.arg for call in _calls_of_base(init) for k in call.keywords if k.arg is not None}


def _calls_of_base(init: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Call]:
    calls = [node for node in ast.walk(init) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == "super().__init__"]


def _of_base(module: _Module, base: ast.expr) -> Signature | None:
    name = _dotted(base.value if isinstance(base, ast.Subscript) else base)
    first, _, rest = name.partition(".")
    if first in module.definitions:
        return signature(f"{module.name}.{name}")
    if first in module.imports:
        target = module.imports[first] + (f".{rest}" if rest else "")
        plain = target.startswith(("abc.", "typing.", "collections.abc.", "typing_extensions."))
        return Signature() if plain else signature(target)
    return Signature() if hasattr(builtins, first) else None


def _dataclass_fields(module: _Module, node: ast.ClassDef) -> dict[str, Parameter]:
    fields = {}
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        annotation = ast.unparse(item.annotation)
        if "ClassVar" in annotation or annotation.endswith("KW_ONLY"):
            continue
        required = item.value is None
        if isinstance(item.value, ast.Call) and _dotted(item.value.func).endswith("field"):
            keywords = {k.arg: k.value for k in item.value.keywords}
            if isinstance(init := keywords.get("init"), ast.Constant) and init.value is False:
                continue
            required = not {"default", "default_factory"} & set(keywords)
        fields[item.target.id] = Parameter(_hint(item.annotation, module), required)
    return fields


# ---------------------------------------------------------------- annotations


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _hint(node: ast.expr | None, module: _Module, depth: int = 0) -> Any:
    """The annotation as a typing object; `Any` for every name that is no plain config type."""
    if depth > 8:  # an alias of itself
        return Any
    match node:
        case ast.Constant(value=value):
            quoted = isinstance(value, str)
            return _hint(ast.parse(str(value), mode="eval").body, module, depth + 1) if quoted else None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([_hint(left, module, depth), _hint(right, module, depth)])
        case ast.Subscript():
            return _subscript(node, module, depth)
        case ast.Name() | ast.Attribute():
            return _named(_dotted(node), module, depth)
    return Any


def _named(name: str, module: _Module, depth: int) -> Any:
    """A plain type, or an alias in this module or in one of ours that it is imported from."""
    if name in module.aliases:
        return _hint(module.aliases[name], module, depth + 1)
    if name in module.imports and module.imports[name].startswith(f"{PACKAGE.name}."):
        source, _, original = module.imports[name].rpartition(".")
        origin = _module(source)
        if origin is not None and original in origin.aliases:
            return _hint(origin.aliases[original], origin, depth + 1)
    return PLAIN.get(name.rpartition(".")[2], Any)


def _subscript(node: ast.Subscript, module: _Module, depth: int) -> Any:
    name = _dotted(node.value).rpartition(".")[2]
    items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(item) for item in items)]
    if name == "Annotated":
        return _hint(items[0], module, depth)
    if name in ("Optional", "Union"):
        members = [_hint(item, module, depth) for item in items]
        return _union([*members, None] if name == "Optional" else members)
    container = PLAIN.get(name)
    if container not in (list, tuple, Sequence, Iterable, dict, Mapping):
        return Any
    hints = tuple(
        Ellipsis if isinstance(item, ast.Constant) and item.value is Ellipsis else _hint(item, module, depth)
        for item in items
    )
    return container[hints if len(hints) > 1 or container is tuple else hints[0]]


def _union(members: Sequence[Any]) -> Any:
    return Any if any(m is Any for m in members) else Union[tuple(members)]  # noqa: UP007 - built at run time

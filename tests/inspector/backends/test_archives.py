import io
import json
import pickle
import zipfile

import pytest
import torch

from inspection.inspector.backends.archives import checked_program, checked_script


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of an archive that is in order, by name."""
    path = tmp_path_factory.mktemp("program") / "x.pt2"
    network, images = torch.nn.Conv2d(1, 2, 3), torch.zeros(2, 1, 8, 8)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, path, extra_files={"passport": "{}"})
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def forged(members, tmp_path):
    """The same archive with other members."""

    def forge(**changes):
        path = tmp_path / "x.pt2"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (members | changes).items():
                archive.writestr(name, content)
        return path

    return forge


def only(members, part):
    (name,) = (name for name in members if part in name)
    return name


def test_archive_in_order(forged):
    checked_program(forged())


def test_pickled_inputs_are_refused(forged, members):
    name = only(members, "sample_inputs")
    stream = io.BytesIO()
    torch.save(Evil(), stream)
    with pytest.raises(ValueError, match="holds more than tensors"):
        checked_program(forged(**{name: stream.getvalue()}))


def test_pickled_weights_are_refused(forged, members, capsys):
    name = only(members, "weights_config")
    config = json.loads(members[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    with pytest.raises(ValueError, match="to be unpickled"):
        checked_program(forged(**{name: json.dumps(config)}))
    config = {"config": {"x": {"path_name": "opaque_obj_0", "use_pickle": False}}}
    name = only(members, "constants_config")
    with pytest.raises(ValueError, match="'opaque_obj_0' to be unpickled"):
        checked_program(forged(**{name: json.dumps(config)}))
    with pytest.raises(ValueError, match="opaque_obj_0'"):
        checked_program(forged(**{"x/data/constants/opaque_obj_0": pickle.dumps(Evil())}))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "target", ["torch.os.system", "torch.ops.aten.from_file.default", "_operator.attrgetter", "builtins.eval"]
)
def test_other_functions_are_refused(forged, members, target):
    name = only(members, "models/")
    graph = json.loads(members[name])
    graph["graph_module"]["graph"]["nodes"][0]["target"] = target
    with pytest.raises(ValueError, match="no operation of a network"):
        checked_program(forged(**{name: json.dumps(graph)}))


def test_expressions_that_are_no_sizes_are_refused(forged, members):
    name = only(members, "models/")
    graph = json.loads(members[name])
    assert "expr_str" in json.dumps(graph)
    for expression in ("__import__('os').system('x')", "exec(chr(120))", "Symbol('s0').func"):
        changed = json.dumps(graph).replace('"expr_str": "', f'"expr_str": "{expression}')
        with pytest.raises(ValueError, match="which is no size"):
            checked_program(forged(**{name: changed}))
    with pytest.raises(ValueError, match="code to be executed"):
        checked_program(forged(**{name: json.dumps(graph | {"guards_code": ["print(1)"]})}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(forged, members):
    path, name = forged(), only(members, "weights_config")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, members[name])
    with pytest.raises(ValueError, match="two members of one name"):
        checked_program(path)


def test_nesting_that_imports_is_refused(forged, members):
    name = only(members, "models/")
    graph = json.loads(members[name])
    signature = graph["graph_module"]["module_call_graph"][0]["signature"]
    enum = json.dumps([{"__enum__": True, "fqn": "evil:X", "name": "a"}])
    for kind, context in (("builtins.dict", enum), ("collections.defaultdict", "null")):
        spec = [1, {"type": kind, "context": context, "children_spec": []}]
        signature["out_spec"] = json.dumps(spec)
        with pytest.raises(ValueError, match="it nests its values"):
            checked_program(forged(**{name: json.dumps(graph)}))


@pytest.mark.parametrize("line", ["torch.save(x, 'y')", "def __setstate__(self, x):", "ops.foreign.run(x)"])
def test_script_that_does_more_is_refused(tmp_path, line):
    path = tmp_path / "x.ts"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/code/__torch__/module.py", f"  {line}\n")
    with pytest.raises(ValueError, match="does more than to compute"):
        checked_script(path)

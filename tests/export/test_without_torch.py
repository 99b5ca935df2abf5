"""On the line there is no torch."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.export.formats.onnx import write_onnx
from inspection.export.formats.openvino import write_openvino
from inspection.export.program import exported_program
from inspection.inspector import Inspector, Passport
from inspection.inspector.files import FORMAT
from inspection.inspector.network import build_network
from inspection.inspector.passport import write_passport

LINE = """
    import importlib.abc
    import json
    import socket
    import sys

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "torchvision", "lightning", "onnx", "onnxscript", "nncf"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def offline(*_):
        raise OSError("something wants to talk to the network")

    sys.meta_path.insert(0, Absent())
    socket.socket.connect = socket.create_connection = offline

    import numpy as np
    from inspection.inspector import Inspector

    said = []
    for path in sys.argv[1:]:
        (verdict,) = Inspector.load(path).inspect(np.load(path + ".npy"), heatmaps=True)
        said.append([verdict.label, verdict.probability, float(verdict.heatmaps["defect"].sum())])
    print(json.dumps(said))
"""


@pytest.mark.slow
def test_inspectors_run_where_no_torch_is(tmp_path):
    network = {
        "_target_": "inspection.models.simple_cnn.SimpleCNN",
        "in_channels": 1,
        "image_size": [16, 16],
        "num_classes": 2,
    }
    decision = {"kind": "one_of", "names": ["ok", "defect"], "defect": "defect"}
    geometry = Geometry(image_size=(16, 16), channels=1).to_dict()
    passport = Passport("task", "question", network, decision, (0.5,), (0.5,), geometry, "hires_cam")
    inspector = Inspector.of(passport, build_network(network).state_dict())
    metadata = {"format": FORMAT, "passport": write_passport(inspector.passport), "graph": "an id"}
    program = exported_program(inspector)
    paths = [str(tmp_path / "x.onnx"), str(tmp_path / "x.xml")]
    write_onnx(program, tmp_path / "x.onnx", metadata)
    write_openvino(program, tmp_path / "x.xml", metadata)
    image = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    for path in paths:
        np.save(f"{path}.npy", image)
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LINE), *paths],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
    )
    assert done.returncode == 0, done.stderr
    traces = [file for file in home.rglob("*") if "matplotlib" not in str(file)]
    assert not [file for file in traces if file.is_file()]  # runtimes that report note who they are
    (verdict,) = inspector.inspect(image, heatmaps=True)
    heat = float(verdict.heatmaps["defect"].sum())
    expected = [verdict.label, pytest.approx(verdict.probability, abs=1e-5), pytest.approx(heat, rel=1e-3)]
    assert json.loads(done.stdout) == [expected, expected]

"""ONNX Runtime and OpenVINO, imported so that they tell nobody about it.

Both report their use to their makers unless told otherwise. What runs on a line talks to nobody.
"""

import importlib
import os
import sys
from typing import Any


def import_onnxruntime() -> Any:
    """The package `onnxruntime`.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module("onnxruntime")


def import_openvino() -> Any:
    """The package `openvino`; without the one that reports, it takes a stub of its own.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # how Python notes what is absent
    return importlib.import_module("openvino")

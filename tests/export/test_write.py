"""What can be exported as what, before anything is read."""

import pytest

from inspection.errors import InputError
from inspection.export import write


@pytest.mark.parametrize(
    ("form", "precision", "gone", "message"),
    [
        ("onnx", "fp32", {"onnxruntime"}, "onnxruntime is not installed"),
        ("onnx", "int8", {"nncf"}, "nncf is not installed"),
        ("openvino", "fp32", {"onnx", "onnxscript", "nncf"}, "onnx, onnxscript are not installed"),
        ("openvino", "int8", {"onnxruntime"}, "onnxruntime is not installed"),
    ],
)
def test_packages_that_are_missing_are_named_with_what_installs_them(
    monkeypatch, form, precision, gone, message
):
    monkeypatch.setattr(write, "find_spec", lambda name: None if name in gone else object())
    with pytest.raises(InputError, match=message) as error:
        write.check_packages(form, precision)
    assert 'pip install "inspection[export]"' in str(error.value)


def test_torch_alone_is_enough_for_its_own_formats(monkeypatch):
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    write.check_packages("torch_export", "bf16")
    write.check_packages("torchscript", "fp32")

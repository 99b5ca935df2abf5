"""Exporters talk: progress, hints for their developers, warnings that a person can do nothing about."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

# `torch.__trace` notes every step as soon as anybody listens to the root logger, for several times the work.
_TALKERS = ("torch.__trace", "torch.export", "torch.onnx", "torch.fx", "onnxscript", "onnx_ir")


@contextlib.contextmanager
def quiet(*further: str) -> Iterator[None]:
    """Let them say nothing but errors.

    Args:
        further: Names of loggers beside those of torch and ONNX.
    """
    logs = [logging.getLogger(name) for name in (*_TALKERS, *further)]
    before = [log.level for log in logs]
    try:
        for log in logs:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)

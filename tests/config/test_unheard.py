import os
import sys

import pytest

from inspection.config.unheard import is_unheard


@pytest.mark.parametrize("listens", [True, False])
def test_who_listens_may_go(monkeypatch, listens):
    reads, writes = os.pipe()
    if not listens:
        os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert is_unheard() is not listens
        pipe.write("not read by anybody")
        pipe.flush()  # goes nowhere, or waits
    if listens:
        assert os.read(reads, 100) == b"not read by anybody"
        os.close(reads)

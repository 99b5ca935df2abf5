import subprocess
import sys

import cv2
import numpy as np
import pytest

from inspection.pictures.files import write_png


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7)])
def test_any_path_and_the_same_pixels_back(tmp_path, shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = write_png(tmp_path / "neu" / "Spule_äöü_検査.png", picture)
    read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1] if len(shape) == 3 else read, picture)


def test_only_pictures():
    with pytest.raises(ValueError, match=r"float64 \[5, 7\]"):
        write_png("never.png", np.zeros((5, 7)))


@pytest.mark.slow
def test_the_room_imports_without_matplotlib_and_never_pyplot():
    program = """
import sys
import numpy as np
from inspection.pictures import charts, colours, files, frame, grid, label_panel, overlay, panel, text
assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules
charts.confusion_matrix(np.eye(2, dtype=int), ['ok', 'defect'])
panel.heat_panel(np.zeros((9, 9), np.uint8), None, ['a'])
assert 'matplotlib.pyplot' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

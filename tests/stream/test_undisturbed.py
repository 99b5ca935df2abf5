import contextlib
import gc
import sys

import cv2
import pytest

from inspection.stream.undisturbed import SWITCH, undisturbed


@pytest.mark.parametrize("frozen", [False, True])
def test_settings_of_the_process_are_restored(frozen):
    cv2.setNumThreads(2)
    gc.freeze() if frozen else gc.unfreeze()
    before = sys.getswitchinterval(), cv2.getNumThreads(), gc.get_freeze_count() > 0
    with contextlib.suppress(KeyboardInterrupt), undisturbed():
        assert sys.getswitchinterval() == pytest.approx(SWITCH)
        assert cv2.getNumThreads() == 1
        assert gc.get_freeze_count() > 0
        raise KeyboardInterrupt
    assert (sys.getswitchinterval(), cv2.getNumThreads(), gc.get_freeze_count() > 0) == before

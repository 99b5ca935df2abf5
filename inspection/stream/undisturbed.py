"""A process in which threads hand over to each other quickly."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

SWITCH = 0.0005
"""Seconds after which a thread that computes in Python lets another one go on; Python's own 0.005 is as long as a
frame may take, and the network's thread would wait so long behind a sink that writes."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Settings of the whole process for as long as frames come; those before are restored.

    Threads switch more often. OpenCV starts no threads of its own: the cores have their work. What was made so far
    is not looked at again by the garbage collector, which would stop all threads for as long as that takes (with a
    trained network's libraries, a tenth of a second).
    """
    interval, threads, frozen = sys.getswitchinterval(), cv2.getNumThreads(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        sys.setswitchinterval(interval)
        if not frozen:  # else by somebody who knows why
            gc.unfreeze()

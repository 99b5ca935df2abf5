"""The OpenCV window: shows what is drawn, hands on keys, and decides nothing."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.labelling.keys import action_of
from inspection.labelling.session import Session

_WAIT = 20  # ms for a key, then it is looked for a new picture and whether the window was closed
_SETTLE = 0.3  # s
_PATIENCE = 20  # s
# Opening a window where there is no display aborts the process: another one tries first.
_TRIAL = "import cv2; cv2.namedWindow('a moment', cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)"


def check_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        InputError: It can't; says why and what to do.
    """
    if not cv2.currentUIFramework():
        raise InputError(
            "this OpenCV can't open windows: replace opencv-python-headless by opencv-python\n"
            "pip uninstall opencv-python-headless; pip install --force-reinstall opencv-python"
        )
    remedy = "run it on a machine with a screen, or over ssh with: ssh -X"
    # Where a window system always is, opening a window never aborts.
    if sys.platform.startswith("linux") or "bsd" in sys.platform:
        named = [
            f"{name}={os.environ[name]}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)
        ]
        if not named:
            raise InputError(
                f"there is no display to open a window on (DISPLAY and WAYLAND_DISPLAY are not set): {remedy}"
            )
        where = " ".join(named)
        command = [sys.executable, "-c", _TRIAL]
        try:
            trial = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:  # ssh -X over a line that hangs
            raise InputError(
                f"no window can be opened on {where} (no answer in {_PATIENCE} s): {remedy}"
            ) from None
        if trial.returncode != 0:
            said = [line.strip() for line in trial.stderr.splitlines() if line.strip()]
            reason = next((line for line in said if "display" in line.lower()), said[-1] if said else "")
            raise InputError(f"no window can be opened on {where} ({reason}): {remedy}")


def run_window(title: str, session: Session, draw: Callable[[], np.ndarray], keys: Sequence[str]) -> None:
    """Show a session until it is quit or the window is closed; what was typed until then is done.

    Of keys that arrive while nobody waits for one, OpenCV hands on the last alone. So this thread does nothing but
    wait, and another one works: a person can type ahead while a frame is looked for or written.

    Args:
        title: Of the window.
        session: Gets the actions.
        draw: Gives the picture, RGB uint8 `[H, W, 3]`.
        keys: Of the attributes.
    """
    codes: SimpleQueue[int | None] = SimpleQueue()
    pictures: SimpleQueue[np.ndarray] = SimpleQueue()

    def work() -> None:
        while (code := codes.get()) is not None and session.apply(action_of(code, keys)):
            if codes.empty():
                pictures.put(draw())

    pictures.put(draw())  # before there is a window to type into: it loads the fonts
    _open(title)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            _hand_on(title, codes, pictures, working)
        finally:  # also when a person presses Ctrl+C in the terminal: what is being written is written
            codes.put(None)
            with contextlib.suppress(cv2.error):  # closed by a person
                cv2.destroyAllWindows()
    working.result()


def _open(title: str) -> None:
    flags = cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL
    if cv2.currentUIFramework() != "QT":
        cv2.namedWindow(title, flags)
        return
    # The first window of a process now and then stays black for good: 10 of 108 starts under Xvfb with OpenCV 5.0,
    # none of 120 when another window was there a moment earlier.
    cv2.namedWindow("opening", flags)
    until = time.monotonic() + _SETTLE
    while time.monotonic() < until:
        cv2.waitKeyEx(_WAIT)
    cv2.namedWindow(title, flags)
    cv2.destroyWindow("opening")


def _hand_on(
    title: str,
    codes: "SimpleQueue[int | None]",
    pictures: "SimpleQueue[np.ndarray]",
    working: "Future[None]",
) -> None:
    """Keys to one side, pictures to the other, while there is work and a window."""
    shown = False
    while not working.done():
        if not pictures.empty():
            cv2.imshow(title, cv2.cvtColor(pictures.get(), cv2.COLOR_RGB2BGR))
            shown = True
        code = cv2.waitKeyEx(_WAIT)
        if code != -1:
            codes.put(code)
        if shown and not _is_open(title):  # asked before the next picture, which would open it again
            return


def _is_open(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # with its last window Qt ends altogether
        return False

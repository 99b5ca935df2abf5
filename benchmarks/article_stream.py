"""The streaming pipeline of the process article, written by hand: capture thread, queue, batches, TorchScript.

A thread reads the camera and puts frames into a queue of 100; one that finds the queue full is dropped, so the
newest are. A second thread takes what is there, eight frames at most, and makes each an input as such tutorials
do: resize, BGR to RGB, floats by 255, mean and standard deviation, `torch.stack`. The network was traced by
`torch.jit.trace`.

Its verdict is the most probable class. That is not always what the trained network said: tutorials resize by
`cv2.resize` as it comes, which interpolates between four pixels, while the network was trained on averaged
areas.

It is run beside ours by `python -m benchmarks.stream`.
"""

import contextlib
import queue
import threading
import time
import warnings
from collections.abc import Sequence

import cv2
import numpy as np
import torch

from benchmarks.paced import Figures, PacedCamera, Picture

BATCH, WAITING = 8, 100


def traced(network: torch.nn.Module, shape: tuple[int, int, int]) -> torch.jit.ScriptModule:
    """The network as TorchScript, the way the article has it: normalised floats in, logits out.

    Args:
        network: Without normalisation.
        shape: Channels, height and width that it sees.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.export follows it
        return torch.jit.trace(network.eval(), torch.zeros(BATCH, *shape))


class ArticlePipeline:
    """Capture thread, queue, and a thread that infers.

    Args:
        network: As from `traced`.
        image_size: Height and width that it sees.
        mean: Of each channel, RGB or one of grey, 0..1.
        std: Likewise.
        waiting: Frames that the queue holds.
        lossless: Whether the capture waits for room in the queue instead of dropping: for measuring how much goes
            through at most.
    """

    def __init__(
        self,
        network: torch.jit.ScriptModule,
        image_size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        waiting: int = WAITING,
        lossless: bool = False,
    ) -> None:
        self.network, self.image_size, self.lossless = network, image_size, lossless
        self.mean, self.std = np.array(mean, np.float32), np.array(std, np.float32)
        self.frames: queue.Queue[tuple[int, Picture] | None] = queue.Queue(waiting)

    def preprocess(self, frame: Picture) -> torch.Tensor:
        """The input `[3, H, W]` or `[1, H, W]` of a frame `[H, W, 3]`, BGR."""
        image = cv2.resize(frame, self.image_size[::-1])
        if len(self.mean) == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        else:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None]
        normalised = (image.astype(np.float32) / 255.0 - self.mean) / self.std
        return torch.from_numpy(normalised.transpose(2, 0, 1))

    def capture(self, camera: PacedCamera) -> None:
        """Read until the camera ends."""
        number = 0
        while True:
            there, frame = camera.read()
            if not there or frame is None:
                break
            if self.lossless:
                self.frames.put((number, frame))
            else:
                with contextlib.suppress(queue.Full):  # dropped
                    self.frames.put_nowait((number, frame))
            number += 1
        self.frames.put(None)

    def infer(self, done_at: dict[int, float], classes: dict[int, int]) -> None:
        """Classify what comes until the end of it."""
        ended = False
        while not ended:
            batch = [self.frames.get()]
            while len(batch) < BATCH and batch[-1] is not None:
                try:
                    batch.append(self.frames.get_nowait())
                except queue.Empty:
                    break
            frames = [item for item in batch if item is not None]
            ended = len(frames) < len(batch)
            if not frames:
                continue
            images = torch.stack([self.preprocess(frame) for _, frame in frames])
            with torch.no_grad():
                probabilities = torch.softmax(self.network(images), dim=1)
            predicted = probabilities.argmax(dim=1).tolist()
            now = time.perf_counter()
            for (number, _), index in zip(frames, predicted, strict=True):
                done_at[number], classes[number] = now, index

    def run(self, camera: PacedCamera) -> tuple[Figures, dict[int, int]]:
        """One pass of a camera.

        Returns:
            What it was like, and the class of each frame that was not dropped, by its number.
        """
        done_at: dict[int, float] = {}
        classes: dict[int, int] = {}
        threads = [
            threading.Thread(target=self.capture, args=(camera,)),
            threading.Thread(target=self.infer, args=(done_at, classes)),
        ]
        before = time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Figures.of(camera, done_at, time.process_time() - before), classes

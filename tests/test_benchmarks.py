"""The parts that benchmarks measure with, and that each new one runs."""

import importlib
import re
import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

ROOT = Path(__file__).parents[1]
PICTURES = [np.full((48, 64, 3), value, np.uint8) for value in (0, 128, 255)]


@pytest.fixture
def benchmark(monkeypatch):
    """A benchmark, by its name."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


class Brightness(nn.Module):
    """Class 0 for a dark image, 1 for a bright one."""

    def forward(self, images):
        light = images.mean((1, 2, 3))
        return torch.stack([-light, light], 1)


def test_a_paced_camera_gives_frames_when_they_are_due(benchmark):
    camera = benchmark("paced").PacedCamera(PICTURES, 100.0, 0.2)
    start, seen = time.perf_counter(), []
    while (given := camera.read())[0]:
        seen.append((int(given[1][0, 0, 0]), time.perf_counter()))
    assert [value for value, _ in seen] == [0, 128, 255] * 6 + [0, 128]
    steps = np.diff(camera.captured_at)
    np.testing.assert_allclose(steps, 0.01, atol=1e-9)
    assert camera.captured_at[0] >= start
    assert all(there >= due for (_, there), due in zip(seen, camera.captured_at, strict=True))


def test_a_frame_that_is_asked_for_too_late_counts_from_when_it_was_due(benchmark):
    paced = benchmark("paced")
    camera = paced.PacedCamera(PICTURES, 100.0, 0.03)
    camera.read()
    time.sleep(0.05)
    before = time.perf_counter()
    while camera.read()[0]:
        pass
    assert time.perf_counter() - before < 0.01
    done_at = dict.fromkeys((0, 2), camera.captured_at[0] + 0.05)
    figures = paced.Figures.of(camera, done_at, cpu_seconds=0.004)
    assert (figures.received, figures.dropped) == (3, 1)
    assert figures.rate == pytest.approx(2 / 0.05)
    assert figures.median == pytest.approx((50 + 30) / 2)
    assert figures.cpu == pytest.approx(2.0)


def test_a_camera_flat_out_ends_by_the_clock(benchmark):
    camera = benchmark("paced").PacedCamera(PICTURES, None, 0.05)
    start = time.perf_counter()
    while camera.read()[0]:
        time.sleep(0.001)
    assert 0.05 <= time.perf_counter() - start < 1
    assert len(camera.captured_at) > 5


@pytest.fixture
def article(benchmark):
    """Builds the article's pipeline around a network that is slow on demand."""
    module = benchmark("article_stream")

    def build(seconds=0.0, **settings):
        network = module.traced(Brightness(), (3, 32, 32))

        def slow(images):
            time.sleep(seconds)
            return network(images)

        return module.ArticlePipeline(slow, (32, 32), [0.5] * 3, [0.25] * 3, **settings)

    return build


def test_the_articles_input_is_the_normalised_resized_picture(article):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    image = cv2.resize(picture, (32, 32))[..., ::-1].transpose(2, 0, 1)
    wanted = (image / 255 - 0.5) / 0.25
    np.testing.assert_allclose(article().preprocess(picture).numpy(), wanted, atol=1e-5)


def test_the_article_flat_out_loses_nothing(article, benchmark):
    camera = benchmark("paced").PacedCamera(PICTURES, None, 0.1)
    figures, classes = article(lossless=True).run(camera)
    assert figures.received == len(camera.captured_at) > 8
    assert figures.dropped == 0
    assert all(classes[number] == (number % 3 > 0) for number in range(figures.received))


def test_the_article_drops_the_newest_frames_when_its_queue_is_full(article, benchmark):
    camera = benchmark("paced").PacedCamera(PICTURES, 500.0, 0.2)
    figures, classes = article(seconds=0.15, waiting=4).run(camera)
    assert figures.received == 100
    assert figures.dropped == 100 - len(classes) > 50
    assert set(range(5)) <= set(classes)


def test_f1_is_that_of_scikit_learn(benchmark):
    random = np.random.default_rng(0)
    labels, truth = (random.choice(["a", "b", "c"], 50).tolist() for _ in range(2))
    f1 = benchmark("inference").f1
    assert f1(labels, truth, ["a", "b", "c"]) == pytest.approx(f1_score(truth, labels, average="macro"))
    assert f1(labels, truth, ["b"]) == pytest.approx(f1_score(truth, labels, labels=["b"], average="macro"))
    assert f1(["a"], ["a"], ["b"]) == 0


def test_an_import_is_timed_to_its_end_and_a_line_to_when_it_is_said(benchmark):
    seconds = benchmark("line_start").seconds
    taken, said = seconds("import time; print('now', flush=True); time.sleep(2)")
    assert said == "now"
    assert taken < 2
    with pytest.raises(SystemExit, match="status 3"):
        seconds("import sys; sys.exit(3)")


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A finished run that exports may be written into."""
    folder = tmp_path_factory.mktemp("benchmarks") / "run"
    shutil.copytree(trained.folder, folder, ignore=shutil.ignore_patterns("checkpoints", "pictures"))
    return folder


@pytest.fixture
def printed(benchmark, monkeypatch, capsys):
    """What a benchmark prints, given some words."""

    def call(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        benchmark(name).main()
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_streams_take_turns(run, printed):
    said = printed(
        *("stream", "--run", run, "--only", "article", "eager", "onnx_fp32", "--rates", 50),
        *("--seconds", 0.5, "--turns", 2, "--pictures", 8),
    )
    flat_out, paced = said.split("at 50 frames/s")
    for name in ("article", "eager", "onnx_fp32"):
        assert len(re.findall(rf"^{name} ", flat_out, re.MULTILINE)) == 1
        dropped, received = re.search(rf"^{name} +[\d.]+ +(\d+) +(\d+)", paced, re.MULTILINE).groups()
        assert int(received) == 50
        assert int(dropped) <= 50
    same = {
        name: float(re.search(rf"^{name} .* ([\d.]+) of +[1-8] +[\d.]+$", flat_out, re.MULTILINE)[1])
        for name in ("eager", "onnx_fp32")
    }
    assert same == {"eager": 1, "onnx_fp32": 1}


@pytest.mark.slow
def test_inference_is_timed_by_each_runtime(run, printed):
    said = printed("inference", "--run", run, "--only", "onnx_fp32", "--repeats", 2, "--warmup", 0)
    eager, onnx = (
        re.search(rf"^ +{name} .*", said, re.MULTILINE)[0].split() for name in ("eager", "onnx_fp32")
    )
    assert eager[3] == eager[6] == "1.00"
    assert eager[-2:] == onnx[-2:]
    assert 0 < float(eager[-2]) <= 1
    assert eager[-1] == "1.0000"


@pytest.mark.slow
def test_a_line_starts_with_and_without_torch(run, printed):
    said = printed("line_start", "--run", run, "--only", "onnx_fp32", "--repeats", 1)
    assert re.search(r"eager .* with torch$", said, re.MULTILINE)
    assert re.search(r"onnx_fp32 .* without torch$", said, re.MULTILINE)

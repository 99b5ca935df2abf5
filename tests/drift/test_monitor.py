"""What the monitor says of coils that are unchanged, and of some that are not."""

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import binom

from inspection.data.synthetic.coil import draw_coil
from inspection.drift.monitor import DriftMonitor
from inspection.drift.observed import Observed, joined
from inspection.drift.optics import measure_optics
from inspection.drift.reference import Reference
from inspection.models.small_cnn import SmallCNN

COUNT = 90
Images = list[np.ndarray]


def observe(images: Images) -> Observed:
    """As an inspector does, with a network that has learned nothing."""
    torch.manual_seed(0)
    network = SmallCNN(1, 2, 4, pooling="mean").eval()
    batch = torch.from_numpy(np.stack(images))[:, None]
    with torch.no_grad():
        features = network.features(batch / 255 - 0.7).mean((2, 3)).double().numpy()
    optics = {name: values.numpy() for name, values in measure_optics(batch).items()}
    return Observed(optics, features, {"P(defect)": 1 / (1 + np.exp(-features[:, 0]))})


@pytest.fixture(scope="module")
def coils() -> Images:
    """Camera images, halved."""
    pictures = [draw_coil(np.random.default_rng(seed), seed % 5 == 0).image for seed in range(COUNT)]
    return [cv2.resize(each[60:460, 50:750], (350, 200), interpolation=cv2.INTER_AREA) for each in pictures]


@pytest.fixture(scope="module")
def observed(coils: Images) -> Observed:
    return observe(coils)


@pytest.fixture(scope="module")
def reference(observed: Observed) -> Reference:
    return Reference.of(observed.take(range(30, 60)), observed.take(range(30)))


def moved_statistics(
    reference: Reference, coils: Images, change: Callable[[np.ndarray], np.ndarray]
) -> set[str]:
    monitor = DriftMonitor(reference)
    monitor.see(observe([change(each) for each in coils[60:]]))
    return {test.words().partition(":")[0] for test in monitor.report().moved}


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "darker": lambda image: (image * 0.8).astype(np.uint8),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    "shifted to the right": lambda image: cv2.warpAffine(
        image, np.array([[1, 0, 12], [0, 1, 0]], float), image.shape[::-1], borderMode=cv2.BORDER_REPLICATE
    ),
}


@pytest.mark.parametrize("words", CHANGES)
def test_changed_images_are_reported(reference, coils, words):
    assert words in moved_statistics(reference, coils, CHANGES[words])


def test_unchanged_images_are_not(reference, coils):
    assert moved_statistics(reference, coils, lambda image: image) == set()


def test_false_alarms_come_at_the_stated_rates(observed):
    """Of coils dealt out anew to ruler, reference and line, so that nothing tells them apart."""
    random, deals = np.random.default_rng(0), 300
    alarms, unlike = 0, []
    for _ in range(deals):
        order = random.permutation(COUNT)
        reference = Reference.of(observed.take(order[30:60]), observed.take(order[:30]))
        monitor = DriftMonitor(reference, window=None, rate=0.1, image_rate=0.1)
        # One image a deal: those of one deal meet the same reference, and are no independent witnesses.
        unlike.append(monitor.see(observed.take(order[60:]))[0].unlike)
        alarms += monitor.report().drift
    assert monitor.image_rate == 3 / 31
    assert alarms <= binom.ppf(0.999, deals, 0.1)
    low, high = binom.ppf((0.001, 0.999), deals, monitor.image_rate)
    assert low <= sum(unlike) <= high


def test_a_small_reference_says_which_rate_it_keeps(reference, observed):
    monitor = DriftMonitor(reference)
    monitor.see(observed.take(range(60, 90)))
    report = monitor.report()
    assert report.image_rate == pytest.approx(1 / 31)
    assert "1 in 31 is called unlike, not 1 in 1000" in report.notes()[0]
    assert DriftMonitor(reference, image_rate=0.1).report().asked_image_rate == 0.1


def test_few_images_are_not_judged(reference, observed):
    monitor = DriftMonitor(reference)
    findings = monitor.see(observed.take(range(60, 67)))
    report = monitor.report()
    assert len(findings) == 7
    assert not report.tests
    assert report.to_dict()["drift"] is None
    assert "7 images: too few" in report.notes()[0]


def test_what_is_out_of_an_image(reference, coils):
    dark = (coils[70] * 0.6).astype(np.uint8)
    (finding,) = DriftMonitor(reference).see(observe([dark]))
    assert finding.unlike
    assert "brightness" in finding.out
    assert finding.p == pytest.approx(1 / 31)
    assert finding.out[-1] == "features" or "features" not in finding.out


def test_a_window_forgets(reference, coils):
    good, dark = observe(coils[60:80]), observe([(each * 0.8).astype(np.uint8) for each in coils[60:80]])
    monitor = DriftMonitor(reference, window=20)
    monitor.see(dark)
    assert monitor.report().drift
    for row in range(20):  # as they come from a line
        monitor.see(good.take([row]))
    assert not monitor.report().drift
    assert monitor.report().images == 20
    assert monitor.seen == 40


def test_another_share_of_defects_moves_scores_and_not_images():
    random = np.random.default_rng(0)

    def line(count: int, share: float) -> Observed:
        scores = np.where(random.uniform(size=count) < share, 0.9, 0.1) + random.uniform(0, 0.1, count)
        return Observed({"brightness": random.normal(100, 5, count)}, None, {"P(defect)": scores})

    monitor = DriftMonitor(Reference.of(line(200, 0.2), line(200, 0.2)))
    monitor.see(line(50, 0.6))
    report = monitor.report()
    assert [test.kind for test in report.moved] == ["scores"]
    assert "share of defects" in report.cause()
    told = report.to_dict()
    assert told["scores_moved"]
    assert not told["images_moved"]
    assert not told["contents_moved"]


def test_a_few_odd_images_are_noticed_though_the_distribution_has_not_moved(observed):
    random = np.random.default_rng(0)

    def plain(count: int, odd: int) -> Observed:
        values = random.normal(100, 5, count)
        values[:odd] = 200
        return Observed({"brightness": values}, None, {})

    monitor = DriftMonitor(Reference.of(plain(400, 0), plain(400, 0)), image_rate=0.01)
    monitor.see(plain(50, 6))
    report = monitor.report()
    assert [test.statistic for test in report.moved] == ["unlike images"]
    assert report.unlike == {"brightness": 6}
    assert "look like none of the validation images; look at those" in report.lines()[0]
    assert "unlike all validation images: 6 of 50" in report.lines()[1]


def test_images_of_a_group_count_once(observed):
    """Ten frames of each of 30 videos: the frames of one are the same, which is no drift."""
    frames = joined([observed.take([row] * 10) for row in range(60)])
    groups = [f"video_{number // 10}" for number in range(600)]
    reference = Reference.of(frames.take(range(300)), observed.take(range(60, 90)), groups[:300])
    assert reference.images == 30
    assert reference.grouped == 300
    monitor = DriftMonitor(reference, window=None)
    monitor.see(frames.take(range(300, 600)), groups[300:])
    report = monitor.report()
    assert (report.images, report.judged, report.drift) == (300, 30, False)
    assert "30 of 300, are judged together" in " ".join(report.notes())


def test_a_reference_is_json_and_compact():
    random = np.random.default_rng(0)

    def many(count: int) -> Observed:
        names = ("brightness", "contrast", "sharpness", "across", "down", "red", "blue")
        optics = {name: random.normal(100, 20, count) for name in names}
        scores = {f"P(attribute {number})": random.uniform(size=count) for number in range(8)}
        return Observed(optics, random.normal(size=(count, 512)), scores)

    reference, line = Reference.of(many(5000), many(800)), many(40)
    text = json.dumps(reference.to_dict(), allow_nan=False)
    assert len(text) < 200_000
    again = Reference.from_dict(json.loads(text))
    reports = []
    for each in (reference, again):
        monitor = DriftMonitor(each)
        monitor.see(line)
        reports.append(monitor.report())
    assert reports[0] == reports[1]
    assert reports[0].image_rate == pytest.approx(5 / 5001)


def test_a_saturated_score_is_compared_as_it_was_stored():
    def sure(seed: int) -> Observed:
        random = np.random.default_rng(seed)
        return Observed(
            {"brightness": random.normal(size=200)}, None, {"P": 1 - random.uniform(size=200) * 1e-6}
        )

    monitor = DriftMonitor(Reference.of(sure(0), sure(1)), window=None)
    monitor.see(sure(2))
    assert not monitor.report().drift


def test_what_is_no_number_is_unlike(reference, observed):
    line = observed.take([60])
    (finding,) = DriftMonitor(reference).see(
        Observed(line.optics, np.full_like(np.asarray(line.features), np.nan), line.scores)
    )
    assert finding.out == ("features",)


def test_validation_alone_is_halved(observed):
    reference = Reference.of(observed)
    assert reference.images == COUNT // 2


def test_mistakes_of_a_programmer(reference, observed):
    with pytest.raises(ValueError, match="window=5"):
        DriftMonitor(reference, window=5)
    with pytest.raises(ValueError, match="rate=0"):
        DriftMonitor(reference, rate=0)
    with pytest.raises(ValueError, match="2 or more images"):
        Reference.of(observed.take([0]))
    line = observed.take([0])
    with pytest.raises(ValueError, match=r"Expected measurements of .*P\(defect\) but got"):
        DriftMonitor(reference).see(Observed(line.optics, line.features, {}))

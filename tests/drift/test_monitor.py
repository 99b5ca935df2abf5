"""What the monitor says of coils that are unchanged, and of some that are not."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

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
    optics = measure_optics(batch.numpy())
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


def make_parts(random: np.random.Generator, count: int, share: float, light: float = 1.0) -> Observed:
    """Parts of which some are defects: those are darker, odd to the network, and 1 in 20 of them is missed."""
    defect = random.uniform(size=count) < share
    called = np.where(defect, random.uniform(size=count) > 0.05, random.uniform(size=count) < 0.01)
    brightness = (random.normal(100, 5, count) - 15 * defect) * light
    features = random.normal(size=(count, 6)) + 3 * defect[:, None]
    scores = np.where(called, 0.9, 0.1) + random.uniform(-0.1, 0.1, count)
    verdicts = np.where(called, "defect", "ok")
    return Observed({"brightness": brightness}, features, {"P(defect)": scores}, verdicts)


@pytest.fixture(scope="module")
def of_parts() -> Reference:
    """One in five is a defect."""
    random = np.random.default_rng(0)
    return Reference.of(make_parts(random, 300, 0.2), make_parts(random, 300, 0.2), verdict="ok")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2])
def test_a_line_of_fewer_defects_is_no_drift(share):
    """Each window against a reference of its own: windows against one would not be independent."""
    alarms, windows = 0, 150
    for seed in range(windows):
        random = np.random.default_rng(seed)
        reference = Reference.of(make_parts(random, 100, 0.2), make_parts(random, 100, 0.2), verdict="ok")
        monitor = DriftMonitor(reference, window=None, rate=0.1)
        monitor.see(make_parts(random, 60, share))
        alarms += monitor.report().drift
    assert alarms <= binom.ppf(0.999, windows, 0.1)


def test_fewer_defects_are_said_and_all_images_compared_would_alarm(of_parts):
    line = make_parts(np.random.default_rng(1), 200, 0.01)
    monitor = DriftMonitor(of_parts, window=None)
    monitor.see(line)
    report = monitor.report()
    assert not report.drift
    assert report.verdict == "ok"
    assert report.lines()[0].startswith(f"no drift: {report.compared} images judged ok together look like")
    assert "of the images were judged otherwise than ok, of validation 2" in " ".join(report.lines())
    blind = DriftMonitor(replace(of_parts, verdict=None, compared=np.ones(300, bool)), window=None)
    blind.see(line)
    assert blind.report().drift
    assert blind.report().cause().endswith("another share of defects or classes than in validation")


def test_a_darker_line_of_few_defects_is_drift(of_parts):
    monitor = DriftMonitor(of_parts, window=None)
    monitor.see(make_parts(np.random.default_rng(1), 60, 0.01, light=0.9))
    report = monitor.report()
    assert "brightness" in [test.statistic for test in report.moved]
    assert "look at light, lens" in report.cause()


def test_more_defects_are_reported_as_such(of_parts):
    monitor = DriftMonitor(of_parts, window=None)
    monitor.see(make_parts(np.random.default_rng(1), 60, 0.6))
    report = monitor.report()
    assert "judged otherwise" in [test.statistic for test in report.moved]
    assert "more are judged otherwise than in validation" in report.lines()[0]
    told = report.to_dict()
    assert told["scores_moved"]
    assert not told["tests"]["brightness"]["moved"]


def test_a_line_of_which_nothing_is_judged_good_is_drift(of_parts):
    line = make_parts(np.random.default_rng(1), 40, 0.2)
    monitor = DriftMonitor(of_parts)
    monitor.see(replace(line, verdicts=np.full(40, "defect")))
    report = monitor.report()
    assert [test.statistic for test in report.tests] == ["unlike images", "judged otherwise"]
    assert "of 40 images only 0 were judged ok, too few to tell what has changed" in report.lines()[0]
    assert "0 images judged ok: too few to compare" in report.notes()[0]


def test_without_enough_good_images_all_are_compared():
    random = np.random.default_rng(0)
    parts = make_parts(random, 60, 0.99)
    assert Reference.of(parts, parts, verdict="ok").verdict is None
    assert Reference.of(parts, parts).verdict == "defect"  # the most frequent, where none is good


def test_at_another_threshold_nothing_is_compared_if_its_verdicts_are_not_known(of_parts):
    monitor = DriftMonitor(of_parts.at(None))
    monitor.see(make_parts(np.random.default_rng(1), 60, 0.6, light=0.9))
    report = monitor.report()
    assert [test.statistic for test in report.tests] == ["unlike images"]
    assert "looked at one by one only" in " ".join(report.notes())
    kept = of_parts.at(of_parts.samples["P(defect)"] < 0.05)
    assert kept.verdict == "ok"
    assert 0 < kept.compared.sum() < of_parts.compared.sum()
    assert of_parts.at(np.zeros(300, bool)).verdict is None


def test_many_images_take_no_longer_each(of_parts):
    """16,000 images took half a minute when each was looked for among all that came before."""
    monitor = DriftMonitor(of_parts, window=None)
    random, start = np.random.default_rng(0), time.process_time()
    for batch in range(20):
        monitor.see(make_parts(random, 1000, 0.2), [f"{batch}_{number}" for number in range(1000)])
    assert monitor.report().judged == 20_000
    assert time.process_time() - start < 20  # s; about 2


def test_a_group_that_has_left_the_window_counts_again(of_parts):
    parts = make_parts(np.random.default_rng(0), 30, 0.2)
    monitor = DriftMonitor(of_parts, window=8)
    monitor.see(parts.take(range(9)), [str(number) for number in range(9)])
    monitor.see(parts.take([10, 11]), ["8", "0"])  # 8 is in the window, 0 was pushed out
    assert [seen.group for seen in monitor._judged] == ["2", "3", "4", "5", "6", "7", "8", "0"]


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
    by_chance = "where nothing has changed, at most 1 check in 100 says drift"
    assert report.lines()[1] == f"  seen in 50 images; {by_chance}"
    assert "may not hold for these verdicts" in report.lines()[2]
    assert "unlike all validation images: 6 of 50" in report.lines()[3]


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

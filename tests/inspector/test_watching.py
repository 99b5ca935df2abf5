import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.quantities import Quantities
from inspection.drift.observed import Observed
from inspection.drift.reference import Reference
from inspection.errors import InputError
from inspection.inspector import Box, Inspector, Passport, Verdict
from inspection.inspector.watching import Watch, at_point, good_verdict, reference_of, scores_of, verdict_of
from inspection.models.small_cnn import SmallCNN

ARGUMENTS = {"in_channels": 1, "num_classes": 2, "width": 4}


def passport(**changes):
    values = {
        "task": "coil",
        "question": "Is it bent?",
        "network": {"_target_": "inspection.models.small_cnn.SmallCNN", **ARGUMENTS},
        "decision": OneOf(["ok", "defect"], "defect").to_dict(),
        "mean": (0.5,),
        "std": (0.25,),
        "geometry": Geometry((24, 32)).to_dict(),
    }
    return Passport(**values | changes)


@pytest.fixture
def inspector():
    torch.manual_seed(0)
    return Inspector.of(passport(), SmallCNN(**ARGUMENTS).state_dict())


@pytest.fixture
def pixels():
    return list(np.random.default_rng(0).integers(0, 256, (5, 1, 24, 32), dtype=np.uint8))


@pytest.mark.parametrize("heatmaps", [False, True])
def test_it_says_what_the_inspector_says_and_measures_on_the_way(inspector, pixels, heatmaps, monkeypatch):
    watch, shapes = Watch.of(inspector), [(24, 32)] * 5
    expected = inspector.inspect_pixels(pixels, shapes, heatmaps)
    passes = []
    monkeypatch.setattr(
        SmallCNN, "forward", lambda self, x, own=SmallCNN.forward: passes.append(len(x)) or own(self, x)
    )
    verdicts, seen = watch.inspect_pixels(pixels, shapes, heatmaps)
    assert passes == [5]  # no pass of its own
    assert [each.probabilities for each in verdicts] == [each.probabilities for each in expected]
    assert seen.scores["P(defect)"].tolist() == [each.probabilities["defect"] for each in expected]
    network = inspector.model.network
    with torch.no_grad():
        maps = network.features(inspector.model.normalise(torch.from_numpy(np.stack(pixels))))
    np.testing.assert_allclose(seen.features, maps.amax((2, 3)).numpy(), rtol=1e-5)
    assert seen.optics["brightness"][0] == pytest.approx(pixels[0].mean(), rel=1e-5)


def test_flips_do_not_change_the_features(inspector, pixels):
    shapes = [(24, 32)] * 5
    flipped = Inspector.of(passport(flips=["horizontal"]), inspector.model.network.state_dict())
    _, plain = Watch.of(inspector).inspect_pixels(pixels, shapes)
    _, seen = Watch.of(flipped).inspect_pixels(pixels, shapes)
    np.testing.assert_array_equal(seen.features, plain.features)


def test_a_network_that_sees_tiles_alone_has_no_features():
    arguments = {"in_channels": 1, "width": 2, "tile": 32, "overlap": 16}
    network = {"_target_": "inspection.models.unet.UNet", **arguments}
    from inspection.models.unet import UNet

    decision = Area(["ok", "defect"], "defect").to_dict()
    geometry = Geometry((48, 64)).to_dict()
    inspector = Inspector.of(
        passport(network=network, decision=decision, geometry=geometry), UNet(**arguments).state_dict()
    )
    watch = Watch.of(inspector)
    assert watch.inspector.trained.feature_layer is None
    _, seen = watch.inspect_pixels([np.zeros((1, 48, 64), np.uint8)], [(48, 64)])
    assert seen.features is None
    assert list(seen.scores) == ["called pixels"]


def test_scores_of_every_kind():
    def box(score):
        return Box(0, 0, 5, 5, "pump", score)

    names = {"error": 0.2, "break": 0.7}
    assert scores_of(Verdict("break", probabilities=names), AnyOf(list(names))) == {
        "P(error)": 0.2,
        "P(break)": 0.7,
    }
    classes = {"ok": 0.4, "defect": 0.6}
    assert scores_of(Verdict("defect", 0.6, classes), OneOf(list(classes), "defect")) == {"P(defect)": 0.6}
    assert list(scores_of(Verdict("defect", 0.6, classes), OneOf(list(classes), None))) == [
        "P(ok)",
        "P(defect)",
    ]
    assert scores_of(Verdict("2", boxes=[box(0.6), box(0.9)]), Boxes(["pump"])) == {
        "boxes": 2,
        "best score": 0.9,
    }
    assert scores_of(Verdict("none"), Boxes(["pump"])) == {"boxes": 0, "best score": 0}
    measured = Verdict("hot", quantities={"maximum": 351.0, "minimum": 290.0})
    decision = Quantities(["maximum", "minimum"], "K", [350, 300], [10, 10])
    assert scores_of(measured, decision) == {"maximum": 351.0, "minimum": 290.0}


def test_the_reference_is_the_one_at_the_threshold_that_is_judged_by(inspector):
    assert reference_of(inspector) is None
    risk = np.linspace(0, 0.95, 20)
    seen = seen_with(np.where(risk < 0.5, "ok", "defect"), **{"P(defect)": risk})
    known = Reference.of(seen, seen, verdict="ok")
    knowing = Inspector.of(passport(reference=known.to_dict()), inspector.trained.model.network.state_dict())
    np.testing.assert_array_equal(reference_of(knowing).compared, risk < 0.5)
    np.testing.assert_array_equal(reference_of(knowing.with_threshold(0.82)).compared, risk < 0.82)


def test_a_damaged_reference_is_said(inspector):
    damaged = passport(reference={"images": 3})
    with pytest.raises(InputError, match="its passport is damaged"):
        reference_of(Inspector.of(damaged, inspector.trained.model.network.state_dict()))


def test_good_is_what_is_no_defect():
    classes = {"ok": 0.4, "bent": 0.5, "dirty": 0.1}
    two, three, none = (
        OneOf(["ok", "defect"], "defect"),
        OneOf(list(classes), "bent"),
        OneOf(list(classes), None),
    )
    assert (good_verdict(two), good_verdict(three), good_verdict(none)) == ("ok", "not bent", None)
    assert verdict_of(Verdict("dirty"), three) == "not bent"
    assert verdict_of(Verdict("bent"), three) == "bent"
    assert verdict_of(Verdict("dirty"), none) == "dirty"
    area = Area(["ok", "defect"], "defect")
    assert (good_verdict(area), verdict_of(Verdict("defect"), area)) == ("ok", "defect")
    attributes = AnyOf(["good", "break"])
    assert (good_verdict(attributes), verdict_of(Verdict("good"), attributes)) == (None, "good")
    measured = Quantities(["maximum"], "K", [350], [10])
    assert verdict_of(Verdict("351 K", quantities={"maximum": 351}), measured) is None
    watched = Quantities(["maximum"], "K", [350], [10], alarm={"maximum": 360})
    assert good_verdict(watched) == "no alarm"
    assert verdict_of(Verdict("alarm", called={"alarm": True}), watched) == "alarm"
    assert verdict_of(Verdict("no alarm", called={"alarm": False}), watched) == "no alarm"
    assert verdict_of(Verdict("2"), Boxes(["pump"])) is None


def seen_with(verdicts, **scores):
    optics = {"brightness": np.random.default_rng(0).normal(100, 5, len(verdicts))}
    return Observed(optics, None, {name: np.array(own) for name, own in scores.items()}, np.array(verdicts))


def test_the_reference_at_another_threshold():
    risk = np.linspace(0, 0.95, 20)
    seen = seen_with(np.where(risk < 0.5, "ok", "defect"), **{"P(defect)": risk})
    reference = Reference.of(seen, seen, verdict="ok")
    moved = at_point(reference, OneOf(["ok", "defect"], "defect", 0.82))
    np.testing.assert_array_equal(moved.compared, risk < 0.82)
    assert "P(defect)" in moved.samples  # it does not depend on the threshold
    assert at_point(reference, Area(["ok", "defect"], "defect")).samples == {}

    attributes = AnyOf(["good", "break"], thresholds={"good": 0.48, "break": 0.92})
    both = {"P(good)": 1 - risk, "P(break)": risk}
    seen = seen_with(np.where(risk <= 0.5, "good", "break"), **both)
    moved = at_point(Reference.of(seen, seen), attributes)
    assert moved.verdict == "good"
    np.testing.assert_array_equal(moved.compared, (1 - risk >= 0.48) & (risk < 0.92))
    unknown = at_point(Reference.of(seen, seen), AnyOf(["good", "break", "length"]))
    assert unknown.verdict is None
    assert unknown.samples == {}

    kelvin = 340 + 40 * risk
    seen = seen_with(np.where(kelvin < 360, "no alarm", "alarm"), maximum=kelvin)
    alarm = Quantities(["maximum"], "K", [350], [10], alarm={"maximum": 370})
    moved = at_point(Reference.of(seen, seen, verdict="no alarm"), alarm)
    np.testing.assert_array_equal(moved.compared, kelvin < 370)

    boxes = Observed(seen.optics, None, {"boxes": np.arange(20.0)})
    assert at_point(Reference.of(boxes, boxes), Boxes(["pump"])).scores == ()

"""What `build_rule` refuses before an epoch is spent."""

from types import SimpleNamespace

import pytest

from inspection.config.saved import plain
from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.runs.evaluate import decide
from inspection.runs.prepare import build_rule
from inspection.runs.train import train

ONE = OneOf(["ok", "defect"], "defect")
ANY = AnyOf(["error", "break"])
MASK = Area(["ok", "defect"], "defect", min_area=4)
BOXES = Boxes(["motor", "valve"])
HEAT = Quantities(["maximum", "average"], "K", [340, 300], [20, 5], alarm={"maximum": 450})


@pytest.fixture
def built(compose):
    def build(decision, *overrides):
        node = plain(compose("decide", ["run=somewhere", "decide=fixed", *overrides]))["decide"]
        return build_rule(node, SimpleNamespace(decision=decision, flippable=True))

    return build


@pytest.mark.parametrize(
    ("decision", "threshold", "message"),
    [
        (ONE, "1.5", "threshold=1.5: expected a probability, 0 to 1"),
        (ONE, "half", "threshold=half: expected a number"),
        (ONE, "{defect: half}", "defect=half: expected a number"),
        (ONE, "true", "threshold=True: expected a number"),
        (ANY, "{break: 2}", "threshold of break=2: expected a probability"),
        (BOXES, "0", "score=0: expected above 0, at most 1"),
        (MASK, "{pixel: 2}", "threshold=2: expected a probability"),
        (
            MASK,
            "0.3",
            r"decide.threshold: 0.3 may be meant for any of pixel, min_area; give it by name, {name: 0.3}",
        ),
        (HEAT, "{maximum: inf}", "called_from=inf: expected a number"),
    ],
)
def test_what_can_be_no_threshold(built, decision, threshold, message):
    with pytest.raises(InputError, match=message) as caught:
        built(decision, f"decide.threshold={threshold}")
    assert "decide" in str(caught.value)


@pytest.mark.parametrize("job", [decide, train])
def test_a_value_out_of_range_is_said_before_any_image_is_read(compose, job, tmp_path):
    name = job.__name__
    config = compose(name, ["decide=recall", "decide.r=1.5", *(["run=nowhere"] if name == "decide" else [])])
    with pytest.raises(InputError, match=r"^decide: r=1.5: expected above 0, to 1$"):
        job(plain(config), *([] if name == "decide" else [tmp_path]))


@pytest.mark.parametrize(
    ("decision", "threshold"),
    [
        (ONE, "0.2"),
        (ONE, "{defect: 0.2}"),
        (OneOf(["a", "b"], None), "null"),
        (ANY, "0.2"),
        (ANY, "{break: 0.2}"),
        (BOXES, "{valve: 0.1}"),
        (MASK, "null"),
        (MASK, "{pixel: 0.3}"),
        (MASK, "{pixel: 0.3, min_area: 20}"),
        (HEAT, "440"),
        (HEAT, "{maximum: 440}"),
    ],
)
def test_what_can_be_one(built, decision, threshold):
    built(decision, f"decide.threshold={threshold}")


@pytest.mark.parametrize(
    ("decision", "threshold", "message"),
    [
        (ONE, "{defct: 0.1}", "decide.threshold: 'defct' is none of defect; did you mean defect"),
        (ONE, "{ok: 0.1}", "decide.threshold: 'ok' is none of defect$"),
        (ANY, "{error: 0.1, brake: 0.1}", "'brake' is none of error, break; did you mean break"),
        (BOXES, "{valv: 0.1}", "'valv' is none of motor, valve; did you mean valve"),
        (MASK, "{area: 3}", "'area' is none of pixel, min_area; did you mean min_area"),
        (HEAT, "{average: 320}", "'average' is none of maximum$"),  # the limit of the process is the task's
        (OneOf(["a", "b"], None), "0.5", "decide.threshold=0.5: nothing is decided by a threshold here"),
        (
            Quantities(["x"], "K", [340], [20]),
            "{x: 320}",
            "nothing is decided by a threshold here .*no alarm",
        ),
    ],
)
def test_a_threshold_for_nothing(built, decision, threshold, message):
    with pytest.raises(InputError, match=message):
        built(decision, f"decide.threshold={threshold}")

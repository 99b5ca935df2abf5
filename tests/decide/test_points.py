"""What `points` gives is what `at` takes."""

import pytest

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities


@pytest.mark.parametrize(
    ("decision", "points"),
    [
        (OneOf(["ok", "defect"], "defect", 0.3), {"defect": 0.3}),
        (OneOf(["a", "b", "c"], None), {}),
        (AnyOf(["cut", "wide"], {"cut": 0.9}), {"cut": 0.9, "wide": 0.5}),
        (Located(["ok", "defect"], "defect", 0.4), {"defect": 0.4}),
        (Boxes(["bolt", "nut"], {"bolt": 0.2, "nut": 0.7}), {"bolt": 0.2, "nut": 0.7}),
        (Area(["ok", "defect"], "defect", 0.6, min_area=12), {"min_area": 12.0}),
        (Quantities(["maximum"], "K", [300.0], [10.0], alarm={"maximum": 350.0}), {"maximum": 350.0}),
        (
            Quantities(["maximum"], "K", [300.0], [10.0], alarm={"maximum": 350.0}).at({"maximum": 340.0}),
            {"maximum": 340.0},
        ),
        (Quantities(["maximum"], "K", [300.0], [10.0]), {}),
    ],
)
def test_points_are_what_at_takes(decision, points):
    assert decision.points() == points
    if points:
        assert decision.at(points).points() == points

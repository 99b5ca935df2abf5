import numpy as np
import pytest

from inspection.pictures.operating import Kept, Trade, operating_chart


def trade(name="defect", chosen=0.4, interval=(0.3, 0.6)):
    thresholds = np.linspace(0.9, 0.1, 9)
    share = np.linspace(0.1, 1, 9)
    says = "recall 0.99 reached: 198 of 200 found, 12 false alarms in 400"
    return Trade(name, f"P({name})", says, thresholds, share, share**2, "good ones called", chosen, interval)


def kept():
    counts = np.array([0, 10, 200])
    return Kept(np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 0.4, 0.95]), counts, 0.05)


@pytest.mark.parametrize(("number", "rows"), [(1, 1), (3, 2), (6, 3)])
def test_charts_stand_in_rows(number, rows):
    picture = operating_chart([trade()] * number, {"before": kept(), "after": kept()})
    assert picture.dtype == np.uint8
    one = operating_chart([trade()], {})
    assert picture.shape[0] == pytest.approx(rows * one.shape[0], rel=0.1)
    assert picture.std() > 5


def test_what_is_not_known_is_not_drawn():
    plain = operating_chart([trade(chosen=None, interval=None)], {})
    marked = operating_chart([trade(interval=None)], {})
    shaded = operating_chart([trade()], {})
    assert (plain != marked).any()
    assert (marked != shaded).any()
    operating_chart([trade("Fehler_ä\n$x_1$ <b>" * 9)], {})  # any name
    gaps = trade()._replace(alarms=np.full(9, np.nan))
    operating_chart([gaps], {})


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="Expected a threshold or a calibration"):
        operating_chart([], {})

import numpy as np

from inspection.pictures.faithfulness import MeanCurves, faithfulness_chart


def test_curves_are_drawn_in_their_colours():
    shares = np.linspace(0, 1, 9)
    curves = {
        "Grad-CAM": MeanCurves(shares, np.exp(-5 * shares), 1 - np.exp(-5 * shares)),
        "random 検査": MeanCurves(shares, 1 - shares, shares),
    }
    chart = faithfulness_chart(curves, "probability", 12, chance="random 検査")
    assert chart.dtype == np.uint8
    assert chart.ndim == 3
    for colour in ((0, 114, 178), (119, 119, 119)):
        assert (np.abs(chart.astype(int) - colour).max(axis=2) < 3).sum() > 100

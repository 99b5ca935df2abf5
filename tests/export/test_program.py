"""What can't be exported is said in words, before any work."""

import pytest

from inspection.errors import InputError
from inspection.export.program import exported_program


def test_an_inspector_whose_boxes_come_from_the_heatmap_keeps_it(make_inspector):
    backbone = {"name": "resnet18", "frozen": 0, "num_classes": 2}
    located = make_inspector("cam_net.CamNetwork", (64, 64), 1, "located", **backbone)
    with pytest.raises(InputError, match="heatmaps=false: this inspector finds its boxes in the heatmap"):
        exported_program(located, heatmap=False)


def test_occlusion_is_no_part_of_a_graph(make_inspector):
    size = {"image_size": [40, 60], "num_classes": 2, "in_channels": 1}
    passport = {"heatmap_method": "occlusion"}
    occluded = make_inspector("lenet.LeNet", (40, 60), 1, "defect", passport=passport, **size)
    with pytest.raises(InputError, match=r"occlusion.*heatmaps=false.*callbacks\.heatmaps\.method"):
        exported_program(occluded)

import json

import numpy as np
import pytest
import torch
from faster_coco_eval import COCO, COCOeval_faster

from inspection.tasks.box_metrics import (
    average_precisions,
    box_confusion,
    box_counts,
    figures_of_boxes,
    match_boxes,
)

NAMES = ["motor", "valve", "gauge"]


def scene(number=30, most=12, objects=5, seed=0):
    """Objects, and detections that are those objects moved a little, doubled, of another class, or made up."""
    random = np.random.default_rng(seed)
    boxes, classes = np.zeros((number, objects, 4)), np.full((number, objects), -1)
    found = np.zeros((number, most, 6))
    for image in range(number):
        rows = []
        for place in range(random.integers(0, objects + 1)):
            corner, size = random.uniform(0, 150, 2), random.uniform(15, 80, 2)
            boxes[image, place] = *corner, *(corner + size)
            classes[image, place] = random.choice([0, 0, 1])  # never a gauge
            for _ in range(random.integers(0, 3)):
                moved = boxes[image, place] + random.normal(0, 0.08, 4) * np.tile(size, 2)
                which = classes[image, place] if random.random() < 0.85 else random.integers(0, 3)
                rows.append([*moved, random.uniform(0.3, 1), which])
        for _ in range(random.integers(0, 2)):
            corner = random.uniform(0, 150, 2)
            rows.append([*corner, *(corner + 30), random.uniform(0.05, 0.7), random.integers(0, 3)])
        rows = sorted(rows, key=lambda row: -row[4])[:most]
        if rows:
            found[image, : len(rows)] = rows
    return torch.tensor(found).float(), torch.tensor(boxes).float(), torch.tensor(classes)


def coco_figures(detections, boxes, box_class, tmp_path):
    """The same by COCO's own evaluation, from its files, without torchmetrics."""
    number = len(boxes)
    annotations = [
        {
            "id": image * 100 + place + 1,
            "image_id": image,
            "category_id": int(box_class[image, place]),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
        }
        for image in range(number)
        for place, (left, top, right, bottom) in enumerate(boxes[image].tolist())
        if box_class[image, place] >= 0
    ]
    results = [
        {
            "image_id": image,
            "category_id": int(which),
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        for image in range(number)
        for left, top, right, bottom, score, which in detections[image].tolist()
        if score > 0
    ]
    truth = {
        "images": [{"id": image, "width": 300, "height": 300} for image in range(number)],
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(NAMES)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    coco = COCO(str(tmp_path / "truth.json"))
    evaluation = COCOeval_faster(coco, coco.loadRes(results), iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_cocos_own_evaluation(seed, tmp_path):
    given = scene(seed=seed)
    figures = average_precisions(*given, NAMES)
    evaluation = coco_figures(*given, tmp_path)
    names = ["map", "map_50", "map_75"]
    np.testing.assert_allclose([figures[name] for name in names], evaluation.stats[:3], atol=1e-6)
    assert figures["mean_recall"] == pytest.approx(evaluation.stats[8], abs=1e-6)  # at most 100 an image
    assert 0.2 < figures["map"] < figures["map_50"] < 0.95
    precision = evaluation.eval["precision"]  # [IoU, recall, class, size, most]
    for k, name in enumerate(NAMES[:2]):
        assert figures[f"ap_50/{name}"] == pytest.approx(precision[0, :, k, 0, -1].mean(), abs=1e-6)
        assert figures[f"ap/{name}"] == pytest.approx(precision[:, :, k, 0, -1].mean(), abs=1e-6)
    assert np.isnan(figures["ap/gauge"])  # there is none: undefined, and left out of the mean


def one_class(detections, boxes):
    """A single image of one class."""
    found = torch.tensor([[*box, score, 0] for box, score in detections]).reshape(1, -1, 6)
    truth = torch.tensor(boxes).reshape(1, -1, 4)
    return found, truth, torch.zeros(1, truth.shape[1], dtype=torch.long)


BOX, OTHER, NOWHERE = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [50.0, 50, 60, 60]


class TestByHand:
    def test_all_found(self):
        figures = average_precisions(*one_class([(BOX, 0.9), (OTHER, 0.8)], [BOX, OTHER]), ["a"])
        assert figures["map"] == figures["map_50"] == figures["mean_recall"] == pytest.approx(1)

    def test_a_false_alarm_first_halves_the_precision(self):
        figures = average_precisions(*one_class([(NOWHERE, 0.9), (BOX, 0.8)], [BOX]), ["a"])
        assert figures["map_50"] == pytest.approx(0.5)
        assert figures["mean_recall"] == pytest.approx(1)

    def test_one_of_two_found(self):
        """Precision 1 up to recall 0.5: 51 of COCO's 101 points."""
        figures = average_precisions(*one_class([(BOX, 0.9)], [BOX, OTHER]), ["a"])
        assert figures["map_50"] == pytest.approx(51 / 101)

    def test_a_loose_box_counts_at_loose_thresholds_only(self):
        """Overlap 0.8: right at 0.5, 0.55, ..., 0.8, so 7 of 10."""
        figures = average_precisions(*one_class([([0.0, 0, 10, 8], 0.9)], [BOX]), ["a"])
        assert figures["map"] == pytest.approx(0.7)
        assert figures["map_75"] == pytest.approx(1)

    def test_nothing_found_is_zero_and_nothing_there_is_undefined(self):
        nothing = torch.zeros(1, 5, 6)
        _, truth, classes = one_class([], [BOX])
        assert average_precisions(nothing, truth, classes, ["a"])["map"] == 0
        figures = average_precisions(nothing, truth, classes - 1, ["a"])
        assert np.isnan(list(figures.values())).all()
        found, *_ = one_class([(BOX, 0.9)], [BOX])
        assert np.isnan(average_precisions(found, truth, classes - 1, ["a"])["map"])


class TestAtOneScore:
    def test_counts_by_hand(self):
        detections = torch.tensor(
            [
                [
                    [*BOX, 0.9, 0],  # found
                    [*BOX, 0.8, 0],  # a second time: a false alarm
                    [*OTHER, 0.7, 1],  # of another class: a false alarm of that one, and one missed
                    [*NOWHERE, 0.3, 0],  # below the score
                ]
            ]
        )
        boxes = torch.tensor([[BOX, OTHER, NOWHERE, [0, 0, 0, 0]]])
        called = detections[..., 4] >= 0.5
        counts = box_counts(detections, called, boxes, torch.tensor([[0, 0, 1, -1]]), 2)
        assert counts.tolist() == [[[1, 1, 1], [0, 1, 1]]]
        figures = figures_of_boxes(counts.sum(0), ["a", "b"])
        assert figures["precision"] == pytest.approx(1 / 3)
        assert figures["recall"] == pytest.approx(1 / 3)
        assert figures["f1/a"] == pytest.approx(0.5)
        assert figures["f1/b"] == 0

    def test_what_objects_were_taken_for(self):
        detections = torch.tensor(
            [[[*BOX, 0.9, 0], [*OTHER, 0.8, 1], [*NOWHERE, 0.7, 0], [*BOX, 0.1, 1], [0, 0, 0, 0, 0, 0]]]
        )
        boxes = torch.tensor([[BOX, OTHER, [80.0, 80, 90, 90], [0, 0, 0, 0]]])
        classes, called = torch.tensor([[0, 0, 1, -1]]), detections[..., 4] >= 0.5
        confusion = box_confusion(detections, called, boxes, classes, 2)
        assert confusion.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]

    def test_the_surest_chooses_first_and_the_overlap_decides(self):
        near = [1.0, 0, 11, 10]
        found, truth, classes = one_class([(near, 0.9), (BOX, 0.8)], [BOX, near])
        assert match_boxes(found[0], truth[0], classes[0]).tolist() == [1, 0]

    def test_overlap_of_exactly_a_half_is_a_hit(self):
        found, truth, classes = one_class([([0.0, 0, 10, 5], 0.9)], [BOX])
        assert match_boxes(found[0], truth[0], classes[0]).tolist() == [0]

    def test_nothing_is_undefined(self):
        nothing = torch.zeros(2, 3, 6)
        truth, classes = torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long)
        counts = box_counts(nothing, nothing[..., 4] > 0, truth, classes, 2)
        assert counts.shape == (2, 2, 3)
        assert np.isnan(list(figures_of_boxes(counts.sum(0), ["a", "b"]).values())).all()

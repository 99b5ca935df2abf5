import numpy as np
import pytest

from inspection.audit.confident import doubt


def test_a_joint_counted_by_hand():
    """Three classes; thresholds .7, .6, .5, which are means of the own probabilities below."""
    probabilities = np.array(
        [
            [0.9, 0.05, 0.05],  # 0: counted as 0
            [0.8, 0.1, 0.1],  # 0: counted as 0
            [0.4, 0.6, 0.0],  # 0: 1 reaches its threshold: contradicted, margin .2
            [0.1, 0.8, 0.1],  # 1: counted as 1
            [0.6, 0.4, 0.0],  # 1: nothing reaches its threshold
            [0.7, 0.0, 0.3],  # 2: 0 reaches its threshold: contradicted, margin .4
            [0.0, 0.3, 0.7],  # 2: counted as 2
        ]
    )
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    found = doubt(probabilities, labels)
    assert found.thresholds == pytest.approx([0.7, 0.6, 0.5])
    assert found.joint.tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert found.rows.tolist() == [5, 2]
    assert found.suggested.tolist() == [0, 1]
    assert found.margins == pytest.approx([0.4, 0.2])


def test_of_several_classes_above_their_thresholds_the_most_probable_counts():
    probabilities = np.array([[0.3, 0.7], [0.45, 0.55], [0.9, 0.1], [0.6, 0.4]])
    labels = np.array([1, 0, 1, 0])  # thresholds .525 and .4
    found = doubt(probabilities, labels)
    assert found.joint.tolist() == [[1, 1], [1, 1]]
    assert found.rows.tolist() == [2, 1]


def test_a_class_that_nothing_is_labelled_with_is_not_suggested():
    found = doubt(np.array([[0.2, 0.1, 0.7], [0.1, 0.9, 0.0], [0.6, 0.4, 0.0]]), np.array([0, 1, 0]))
    assert np.isnan(found.thresholds[2])
    assert not found.joint[:, 2].any()
    assert 2 not in found.suggested


def test_a_label_that_the_networks_say_is_not_contradicted():
    """A shy class: its threshold is .3; an image of the other one is above it at .4, but at .6 for its label."""
    probabilities = np.array([[0.95, 0.05], [0.6, 0.4], [0.65, 0.35], [0.75, 0.25]])
    found = doubt(probabilities, np.array([0, 0, 1, 1]))
    assert found.joint.tolist() == [[1, 1], [0, 1]]
    assert found.rows.tolist() == []


@pytest.mark.parametrize("said", [0.5, 0.3])
def test_networks_that_say_the_same_of_every_image_of_two_classes(said):
    labels = np.arange(20) % 2
    found = doubt(np.tile([1 - said, said], (20, 1)), labels)
    assert (found.margins > 0).all()
    assert labels[found.rows].tolist() == ([] if said == 0.5 else [1] * 10)


@pytest.mark.parametrize(("flipped", "least"), [(0.05, (0.45, 0.55)), (0.15, (0.65, 0.7))])
def test_labels_that_were_flipped_come_out_on_top(flipped, least):
    """Networks that are right in 86 % of the images, and shy of one class.

    Of as many labels as were flipped, from the top of the list: by chance a share of `flipped` would be wrong.
    """
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 1000)
    logits = np.where(truth == 1, 2.5, -1.5) + random.normal(0, 1.6, len(truth))
    probability = 1 / (1 + np.exp(-logits))
    wrong = random.random(len(truth)) < flipped
    labels = np.where(wrong, 1 - truth, truth)
    found = doubt(np.stack([1 - probability, probability], 1), labels)
    precision = wrong[found.rows[: wrong.sum()]].mean()
    recall = wrong[found.rows].sum() / wrong.sum()
    assert precision > least[0]
    assert recall > least[1]
    assert wrong[found.rows[:15]].mean() > 0.85

import numpy as np
import torch

from inspection.decide.verdicts import label_verdicts, verdicts


def test_the_image_that_defines_a_threshold_is_a_defect():
    probabilities = torch.tensor([[0.7, 0.3], [0.69, 0.31], [0.71, 0.29]], dtype=torch.float64)
    threshold = float(probabilities[0, 1])
    assert verdicts(probabilities, 1, threshold).tolist() == [1, 1, 0]


def test_half_and_half_is_a_defect():
    assert verdicts(torch.tensor([[0.5, 0.5]]), 1).tolist() == [1]
    assert verdicts(torch.tensor([[0.5, 0.5]]), 0).tolist() == [0]


def test_below_the_threshold_the_most_probable_other_class_wins():
    probabilities = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.3, 0.6]])
    assert verdicts(probabilities, 2, threshold=0.55).tolist() == [1, 2]
    assert verdicts(probabilities, 2, threshold=0.0).tolist() == [2, 2]


def test_without_a_defect_class_the_most_probable_wins():
    probabilities = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(4), 50))
    assert torch.equal(verdicts(probabilities), probabilities.argmax(1))


def test_the_probabilities_are_left_alone():
    probabilities = torch.tensor([[0.4, 0.6]])
    verdicts(probabilities, 1)
    assert probabilities.tolist() == torch.tensor([[0.4, 0.6]]).tolist()


def test_labels_each_have_a_threshold_of_their_own_which_counts():
    probabilities = torch.tensor([[0.3, 0.3], [0.29, 0.9]], dtype=torch.float64)
    assert label_verdicts(probabilities, [0.3, 0.5]).tolist() == [[True, False], [False, True]]
    observed = probabilities.float()[0, 0]
    assert label_verdicts(probabilities.float(), [float(observed), 1.0]).tolist() == [
        [True, False],
        [False, False],
    ]

"""What all task modules share: whose normalisation, which parameters at which rate."""

import functools
import multiprocessing
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from inspection.models.backbone import TorchvisionNetwork
from inspection.models.modes import evaluating
from inspection.tasks.classification import Classification
from inspection.tasks.module import _gather


def build(network, **settings):
    plain = {
        "loss": nn.CrossEntropyLoss,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "classes": ["ok", "defect"],
        "defect": "defect",
        "ordered": False,
        "mean": [0.25],
        "std": [0.5],
    }
    return Classification(network=network, **plain | settings)


@pytest.fixture(scope="module")
def network():
    return TorchvisionNetwork("squeezenet1_1", 2, trainable=["head", "features.12"])


def test_two_learning_rates(network):
    optimizer = build(network, backbone_lr=0.01).configure_optimizers()
    head, rest = optimizer.param_groups
    assert (head["lr"], rest["lr"]) == (0.1, 0.01)
    assert {id(p) for p in head["params"]} == {id(p) for p in network.head.parameters()}
    assert {id(p) for p in rest["params"]} == {id(p) for p in network.net.features[12].parameters()}
    (only,) = build(network).configure_optimizers().param_groups
    assert len(only["params"]) == len(head["params"]) + len(rest["params"])


def test_network_without_a_head_has_one_rate():
    with pytest.raises(ValueError, match=r"backbone_lr: Linear does not say what its head is; use null"):
        build(nn.Linear(3, 2), backbone_lr=0.01).configure_optimizers()


def test_weights_bring_their_normalisation():
    network = nn.Conv2d(3, 2, 1)
    assert build(network).mean == (0.25,)
    network.mean, network.std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    task = build(network)
    assert (task.mean, task.std) == (network.mean, network.std)
    # A grey image is shown to all three channels, each normalised in its own way.
    grey = torch.full((1, 1, 2, 2), 51, dtype=torch.uint8)
    seen = []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    task.model(grey)
    assert seen[0].shape == (1, 3, 2, 2)
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx(
        [(0.2 - 0.1) / 0.4, 0.0, (0.2 - 0.3) / 0.6], abs=1e-6
    )


def test_modes_come_back_as_they_were():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(), nn.Sequential(nn.BatchNorm2d(2)))
    network.train()
    network[0].eval()  # frozen
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == [True, False, True, True, True]
    with pytest.raises(RuntimeError), evaluating(network):
        raise RuntimeError
    assert network.training


class Numberless(nn.Module):
    """Gives no number for images that begin with white, the right class for all others."""

    def forward(self, images):
        bright = images.mean((1, 2, 3)) - 0.5
        logits = torch.stack([-bright, bright], 1)
        logits[images[:, 0, 0, 0] > 1.4] = torch.nan
        return logits


@pytest.mark.parametrize("whole", [True, False])
def test_an_image_without_a_number_leaves_no_figure(whole):
    task = build(Numberless())
    task.loss = nn.CrossEntropyLoss()
    task.log_dict = lambda figures, **settings: logged.update(figures)
    task._trainer = SimpleNamespace(state=SimpleNamespace(fn="fit"))
    logged = {}
    for broken in (False, True):
        task.on_validation_epoch_start()
        for start in (0, 4):
            images = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
            images[2:] = 200
            if broken and (whole or start):
                images[:1, 0, 0, 0] = 255
            batch = {"image": images, "target": torch.tensor([0, 0, 1, 1]), "index": torch.arange(4) + start}
            task.validation_step(batch, 0)
        task.on_validation_epoch_end()
        values = torch.tensor(list(logged.values()))
        if broken:
            assert values.isnan().all()
            assert task.outcome.figures["f1"] != task.outcome.figures["f1"]
        else:
            assert logged["val/f1"] == 1
            assert logged["val/accuracy"] == 1


def batches_of(rows):
    """What an evaluation kept of these images, two a batch; all of it follows from the row."""
    return [
        (
            torch.tensor(own),
            {
                "score": torch.tensor([[row / 10, -row] for row in own], dtype=torch.float64),
                "holds": torch.tensor([row % 2 == 0 for row in own]),
                "boxes": [torch.full((row % 3, 4), float(row)) for row in own],
            },
        )
        for own in (rows[start : start + 2] for start in range(0, len(rows), 2))
    ]


def check_gathered(rows, kept):
    assert rows.tolist() == list(range(7))
    assert rows.dtype == torch.int64
    assert kept["score"].dtype == torch.float64
    assert kept["score"].tolist() == [[row / 10, -row] for row in range(7)]
    assert kept["holds"].tolist() == [True, False, True, False, True, False, True]
    assert [(len(boxes), boxes.sum().item()) for boxes in kept["boxes"]] == [
        (row % 3, 4.0 * row * (row % 3)) for row in range(7)
    ]


def test_what_was_kept_is_in_the_order_of_the_rows():
    check_gathered(*_gather(batches_of([5, 0, 6, 3, 1, 4, 2])))


def gather_share(rank, place, shares):
    torch.distributed.init_process_group("gloo", init_method=f"file://{place}/store", rank=rank, world_size=2)
    check_gathered(*_gather(batches_of(shares[rank])))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="imports would take seconds"
)
def test_each_process_gets_what_all_of_them_kept(tmp_path):
    context = multiprocessing.get_context("fork")
    shares = [[4, 0, 6, 2], [5, 3, 1]]  # one has a batch less, and a last one that is not full
    processes = [
        context.Process(target=gather_share, args=(rank, tmp_path, shares), daemon=True) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]

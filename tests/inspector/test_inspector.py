import json
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inspection.data.geometry import Geometry
from inspection.decide.decisions import AnyOf, OneOf
from inspection.errors import InputError
from inspection.inspector import Inspector, Passport
from inspection.inspector.files import FORMAT
from inspection.inspector.network import fit_weights
from inspection.models.small_cnn import SmallCNN

GEOMETRY = Geometry(image_size=(16, 20), crop=(2, 4, 42, 36))
CAMERA = (40, 50)
NO_DEFECT = OneOf(["ok", "defect"], None).to_dict()


def passport(**settings):
    plain = {
        "task": "coil",
        "question": "Is a pin bent?",
        "network": {
            "_target_": "inspection.models.small_cnn.SmallCNN",
            "in_channels": 1,
            "num_classes": 2,
            "width": 4,
            "dropout": 0.5,
        },
        "decision": OneOf(["ok", "defect"], "defect").to_dict(),
        "mean": (0.4,),
        "std": (0.2,),
        "geometry": GEOMETRY.to_dict(),
        "made": {"data": {"synthetic": True, "notes": ["Prüfstand"]}},
    }
    return Passport(**plain | settings)


@pytest.fixture
def network():
    torch.manual_seed(3)
    network = SmallCNN(1, 2, width=4, dropout=0.5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        network.head.weight[1].abs_()
    return network.eval()


@pytest.fixture
def inspector(network):
    return Inspector.of(passport(), network.state_dict())


@pytest.fixture
def images():
    random = np.random.default_rng(5)
    return [random.integers(0, 256, CAMERA, dtype=np.uint8) for _ in range(5)]


def test_verdict_from_camera_image_by_hand(inspector, network, images):
    pixels = torch.from_numpy(np.stack([GEOMETRY.apply(image) for image in images]))
    with torch.no_grad():
        expected = network((pixels.float() / 255 - 0.4) / 0.2).softmax(1)
    for verdict, values in zip(inspector.inspect(images), expected.tolist(), strict=True):
        assert list(verdict.probabilities) == ["ok", "defect"]
        assert list(verdict.probabilities.values()) == pytest.approx(values, abs=1e-5)
        assert verdict.label == ("defect" if values[1] >= 0.5 else "ok")
        assert verdict.probability == verdict.probabilities[verdict.label]
        assert verdict.called == {name: name == verdict.label for name in ("ok", "defect")}
        assert verdict.heatmaps == {}
        assert verdict.method is None


def test_one_image_alone_gets_the_verdict_that_it_gets_among_others(inspector, images):
    together = inspector.inspect(images)
    for image, verdict in zip(images, together, strict=True):
        (alone,) = inspector.inspect([image])
        assert alone.probabilities == pytest.approx(verdict.probabilities, abs=1e-6)
    assert inspector.inspect([]) == []


def test_heatmap_lies_over_the_camera_image(network, images):
    # Behind a ReLU, and with positive weights only: there is evidence in any image.
    inspector = Inspector.of(passport(heatmap_layer="features"), network.state_dict())
    verdicts = inspector.inspect(images, heatmaps=True)
    assert [v.probabilities for v in verdicts] == [
        pytest.approx(v.probabilities, abs=1e-6) for v in inspector.inspect(images)
    ]
    for verdict in verdicts:
        ((explained, heat),) = verdict.heatmaps.items()
        assert explained == "defect"
        assert verdict.method == "grad_cam"
        assert heat.shape == CAMERA
        assert heat.dtype == np.float32
        assert heat.min() >= 0
        assert 0.5 < heat.max() <= 1
        outside = np.ones(CAMERA, bool)
        outside[4:36, 2:42] = False
        assert (heat[outside] == 0).all()


def test_without_a_defect_the_heatmap_explains_the_verdict(network, images):
    for verdict in Inspector.of(passport(decision=NO_DEFECT), network.state_dict()).inspect(
        images, heatmaps=True
    ):
        assert list(verdict.heatmaps) == [verdict.label]


def test_threshold_decides(inspector, images):
    scores = [verdict.probabilities["defect"] for verdict in inspector.inspect(images)]
    for threshold in (0.0, *scores, 1.0):
        changed = inspector.with_threshold(threshold)
        assert changed.passport.decision["threshold"] == threshold
        labels = [verdict.label for verdict in changed.inspect(images)]
        # `>=`: the very image that a threshold was taken from is a defect.
        assert labels == ["defect" if score >= threshold else "ok" for score in scores]
    assert inspector.passport.decision["threshold"] == 0.5


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_is_a_probability(inspector, threshold):
    with pytest.raises(InputError, match="expected a probability, 0 to 1"):
        inspector.with_threshold(threshold)


def test_threshold_needs_a_defect_class(network):
    with pytest.raises(InputError, match="no defect class"):
        Inspector.of(passport(decision=NO_DEFECT), network.state_dict()).with_threshold(0.5)


SEVERAL = AnyOf(["good", "break"], {"break": 0.4}).to_dict()


def test_several_attributes(network, images):
    inspector = Inspector.of(passport(decision=SEVERAL, heatmap_layer="features"), network.state_dict())
    pixels = torch.from_numpy(np.stack([GEOMETRY.apply(image) for image in images]))
    with torch.no_grad():
        expected = network((pixels.float() / 255 - 0.4) / 0.2).sigmoid()
    for verdict, (good, broken) in zip(
        inspector.inspect(images, heatmaps=True), expected.tolist(), strict=True
    ):
        assert verdict.probabilities == pytest.approx({"good": good, "break": broken}, abs=1e-5)
        assert verdict.called == {"good": good >= 0.5, "break": broken >= 0.4}
        assert verdict.label == (", ".join(n for n, on in verdict.called.items() if on) or "none")
        assert verdict.probability is None
        assert list(verdict.heatmaps) == ["good", "break"]
        assert verdict.heatmaps["break"].shape == CAMERA
    shown = Inspector.of(passport(decision=SEVERAL, colours=[["break", "red"]]), network.state_dict())
    assert list(shown.inspect(images[:1], heatmaps=True)[0].heatmaps) == ["break"]


def test_thresholds_of_attributes(network, images, tmp_path):
    inspector = Inspector.of(passport(decision=SEVERAL), network.state_dict())
    scores = [verdict.probabilities["break"] for verdict in inspector.inspect(images)]
    moved = inspector.with_threshold({"break": scores[1]})
    assert [v.called["break"] for v in moved.inspect(images)] == [score >= scores[1] for score in scores]
    assert moved.passport.decision["thresholds"]["good"] == 0.5
    moved.save(tmp_path / "x.safetensors")
    assert Inspector.load(tmp_path / "x.safetensors").inspect(images) == moved.inspect(images)
    with pytest.raises(InputError, match="'brake' is none of good, break"):
        inspector.with_threshold({"brake": 0.5})


def test_image_smaller_than_the_crop(inspector):
    with pytest.raises(InputError, match=r"the image is 30 x 20 pixels .* smaller than"):
        inspector.inspect([np.zeros((20, 30), np.uint8)])


# ------------------------------------------------------------------------------------------ the file


def test_saved_and_loaded(inspector, images, tmp_path):
    path = tmp_path / "Prüfer.safetensors"
    changed = inspector.with_threshold(0.3)
    changed.save(path)
    loaded = Inspector.load(path)
    assert loaded.passport == changed.passport
    assert loaded.inspect(images) == changed.inspect(images)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    loaded.save(path)  # over itself
    assert Inspector.load(str(path)).passport == changed.passport


def test_layout_of_the_weights_does_not_matter(network, images, tmp_path):
    expected = Inspector.of(passport(), network.state_dict()).inspect(images)
    network.to(memory_format=torch.channels_last)
    Inspector.of(passport(), network.state_dict()).save(tmp_path / "x.safetensors")
    assert Inspector.load(tmp_path / "x.safetensors").inspect(images) == expected


def test_file_holds_weights_and_json(inspector, tmp_path):
    inspector.save(tmp_path / "x.safetensors")
    weights = load_file(tmp_path / "x.safetensors")
    assert weights.keys() == inspector.model.network.state_dict().keys()


def test_folder_that_cannot_be_written(inspector, tmp_path):
    with pytest.raises(InputError, match="the inspector could not be written"):
        inspector.save(tmp_path / "nowhere" / "x.safetensors")


def forged(path, inspector, **changes):
    """A file as `save` writes it, with other words in its passport."""
    values = {**vars(inspector.passport), **changes}
    weights = {name: tensor.contiguous() for name, tensor in inspector.model.network.state_dict().items()}
    save_file(weights, path, {"format": FORMAT, "passport": json.dumps(values)})
    return path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", r"must be one of inspection\.models\.\*, but this one asks for 'os\.system'"),
        ("torch.nn.Linear", "must be one of"),
        ("inspection.modelsevil.Network", "must be one of"),
        ("inspection.runs.train.train", "must be one of"),
        ("inspection.models.small_cnn.nn.Linear", "this version has no network"),
        ("inspection.models.small_cnn.nn", "this version has no network"),
        ("inspection.models.small_cnn.Tensor", "this version has no network"),
        ("inspection.models.small_cnn.Nothing", "this version has no network"),
        ("inspection.models.nothing.Network", "this version has no network"),
        ("inspection.models.", "this version has no network"),
        (None, "must be one of"),
    ],
)
def test_network_that_is_not_ours_is_refused(inspector, tmp_path, monkeypatch, target, message):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("executed"))
    config = {"_target_": target, "command": "true"}
    path = forged(tmp_path / "x.safetensors", inspector, network=config)
    with pytest.raises(InputError, match=message) as error:
        Inspector.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_network_that_a_file_of_ours_merely_imports_is_refused(inspector, tmp_path, monkeypatch):
    monkeypatch.setattr("inspection.models.small_cnn.Linear", torch.nn.Linear, raising=False)
    config = {"_target_": "inspection.models.small_cnn.Linear", "in_features": 1, "out_features": 1}
    path = forged(tmp_path / "x.safetensors", inspector, network=config)
    with pytest.raises(InputError, match="this version has no network"):
        Inspector.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "inspection.models.small_cnn.SmallCNN"},
        {"network": {"_target_": "inspection.models.small_cnn.SmallCNN", "strange": 1}},
        {"mean": None},
        {"std": (0.0,)},
        {"geometry": {}},
        {"decision": {}},
        {"decision": {"kind": "none_of", "names": ["ok", "defect"]}},
        {"from_a_later_version": 1},
    ],
)
def test_passport_that_cannot_be(inspector, tmp_path, changes):
    path = forged(tmp_path / "x.safetensors", inspector, **changes)
    with pytest.raises(InputError, match=r"x\.safetensors: "):
        Inspector.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{broken"])
def test_passport_that_is_none(tmp_path, text):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors", {"format": FORMAT, "passport": text})
    with pytest.raises(InputError, match=r"x\.safetensors: its passport is damaged, or of another version"):
        Inspector.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 200])
def test_damaged_file(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.safetensors is no inspector file, or a damaged one"):
        Inspector.load(path)


def test_file_cut_short(inspector, tmp_path):
    path = tmp_path / "x.safetensors"
    inspector.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is no inspector file, or a damaged one"):
        Inspector.load(path)


def test_plain_safetensors_file(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="a file that can be read, but no inspector"):
        Inspector.load(tmp_path / "x.safetensors")
    older = {"format": "inspection.inspector.4", "passport": "{}"}
    save_file({"a": torch.zeros(1)}, tmp_path / "y.safetensors", metadata=older)
    with pytest.raises(InputError, match=r"written by another version.*\(inspection\.inspector\.4; this one"):
        Inspector.load(tmp_path / "y.safetensors")


def test_where_no_torch_is_a_trained_one_says_so(inspector, tmp_path, monkeypatch):
    """Though safetensors, which others bring along, may be there."""
    inspector.save(tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"x\.safetensors: a network as it was trained needs torch: pip"):
        Inspector.load(tmp_path / "x.safetensors")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such inspector file"):
        Inspector.load(tmp_path / "x.safetensors")


# ------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (SmallCNN(1, 3, width=4), r"head\.weight is \[3, 32\] instead of \[2, 32\]"),
        (SmallCNN(3, 2, width=4), r"features\.0\.weight is \[4, 3, 3, 3\] instead of \[4, 1, 3, 3\]"),
        (torch.nn.Linear(2, 2), r"features\.0\.weight is missing; .* weight is not in this network"),
    ],
)
def test_weights_of_another_network(network, other, message):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=message) as error:
        fit_weights(network, other.state_dict(), "last.ckpt")
    assert str(error.value).startswith("last.ckpt holds the weights of another network than SmallCNN: ")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weights_that_fit(network):
    other = SmallCNN(1, 2, width=4)
    fit_weights(other, network.state_dict(), "x")
    assert all(torch.equal(network.state_dict()[name], value) for name, value in other.state_dict().items())


def test_no_verdict_on_an_image_without_a_number(inspector, images):
    with torch.no_grad():
        inspector.model.network.head.bias[0] = torch.nan
    for heatmaps in (False, True):
        with pytest.raises(InputError, match=r"no number for 5 of 5 images \(NaN or infinite\)"):
            inspector.inspect(images, heatmaps=heatmaps)
    with pytest.raises(InputError, match="no number for this image"):
        inspector.inspect(images[:1])
    assert not inspector.model._forward_hooks


def test_single_images_batches_and_colours():
    torch.manual_seed(0)
    settings = {"in_channels": 3, "num_classes": 2, "width": 4}
    weights = SmallCNN(**settings).state_dict()
    network = {"_target_": "inspection.models.small_cnn.SmallCNN", **settings}
    geometry = Geometry((16, 20), channels=3).to_dict()
    colour = {"network": network, "geometry": geometry, "mean": (0.4, 0.3, 0.5), "std": (0.2, 0.2, 0.2)}
    inspector = Inspector.of(passport(**colour), weights)
    images = np.random.default_rng(1).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    expected = inspector.inspect(list(images))
    assert inspector.inspect(images) == expected
    (alone,) = inspector.inspect(images[0])
    assert alone.probabilities == pytest.approx(expected[0].probabilities, abs=1e-6)
    assert inspector.inspect(images[..., ::-1], colours="bgr") == expected
    assert inspector.inspect(images[..., ::-1]) != expected
    assert inspector.inspect([]) == []
    grey = images[..., 0]
    expected = inspector.inspect(list(grey))
    assert inspector.inspect(grey) == inspector.inspect(grey[..., None]) == expected
    (alone,) = inspector.inspect(grey[1])
    assert inspector.inspect(grey[1][..., None]) == [alone]
    assert alone.probabilities == pytest.approx(expected[1].probabilities, abs=1e-6)
    assert inspector.inspect(grey, colours="bgr") == expected
    with pytest.raises(ValueError, match="colours='hsv'"):
        inspector.inspect(grey, colours="hsv")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "got NoneType .what cv2.imread gives for a file that it can't read"),
        ([np.zeros((40, 40), np.uint8), None], "got NoneType"),
        ("part.png", "expected a numpy array, or several, but got str"),
        ([[1, 2], [3, 4]], "got list"),
        (torch.zeros(40, 40), "got Tensor"),
        (np.zeros((40, 40, 4), np.uint8), r"shape \[40, 40, 4\] has 4 channels; expected 1 .grey. or 3"),
        ([np.zeros((40, 40, 4), np.uint8)], r"expected uint8 or uint16 of shape"),
        (np.zeros((40, 40)), "but got float64"),
        (np.zeros(4, np.uint8), "expected uint8 or uint16 of shape"),
    ],
)
def test_what_is_no_image(inspector, given, said):
    with pytest.raises(InputError, match=said):
        inspector.inspect(given)


def test_a_run_folder_is_loaded(inspector, images, tmp_path):
    with pytest.raises(InputError, match=r"neither inspector\.safetensors"):
        Inspector.load(tmp_path)
    inspector.save(tmp_path / "inspector.safetensors")
    assert Inspector.load(tmp_path).inspect(images) == inspector.inspect(images)


def test_with_flips_the_class_that_is_explained_is_the_verdict(network):
    flipped = passport(decision=NO_DEFECT, flips=["horizontal", "vertical"])
    images = np.random.default_rng(0).integers(0, 256, (12, *CAMERA), dtype=np.uint8)
    for verdict in Inspector.of(flipped, network.state_dict()).inspect(images, heatmaps=True):
        assert list(verdict.heatmaps) == [verdict.label]


@pytest.mark.parametrize("decision", [NO_DEFECT, SEVERAL])
def test_an_overlay_without_evidence_is_the_image_with_the_verdict(network, images, decision):
    inspector = Inspector.of(passport(decision=decision), network.state_dict())
    (verdict,) = inspector.inspect(images[0])
    (explained,) = inspector.inspect(images[0], heatmaps=True)
    picture = inspector.geometry.picture(images[0])
    alone = inspector.answers.overlay("a.png", picture, verdict)
    assert alone.dtype == np.uint8
    assert alone.shape[1] < inspector.answers.overlay("a.png", picture, explained).shape[1]


def test_a_verdict_says_at_which_operating_point_it_was_made(inspector, images):
    assert {verdict.operating_point["defect"] for verdict in inspector.inspect(images)} == {0.5}
    moved = inspector.with_threshold(0.2).inspect(images)
    assert {verdict.operating_point["defect"] for verdict in moved} == {0.2}

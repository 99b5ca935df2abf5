from inspection.config.entry import CONF
from inspection.config.help import first_sentence, help_text, options


def test_every_task_and_model_with_a_line():
    lines = help_text("train", "Train.", CONF, "scripts/train.py").splitlines()
    for group in ("task", "model"):
        for name in options(CONF / group):
            assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in lines), name
    assert any(line.startswith("  optimizer=") and "adamw, sgd" in line for line in lines)
    assert any(line.startswith("  seed=") for line in lines)
    assert any(line.split() == ["data/augment=", "none"] for line in lines)
    (data,) = [line for line in lines if line.startswith("  data=")]
    assert "coil" in data
    assert "augment" not in data


def test_predict_lists_its_keys():
    text = help_text("predict", "Predict.", CONF, "scripts/predict.py")
    assert "run=" in text
    assert "task=" not in text


def test_first_sentence(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("# @package _global_\n# Is it 0.5 mm bent? Two classes.\nname: x\n")
    assert first_sentence(file) == "Is it 0.5 mm bent?"
    file.write_text("name: x\n# late\n")
    assert first_sentence(file) == ""

"""What is wrapped around a job."""

import pytest
from omegaconf import OmegaConf

from inspection.config.jobs import Job


def test_a_package_that_is_not_installed_is_one_message(capsys):
    def work(cfg, folder):
        raise ModuleNotFoundError("No module named 'lightning.pytorch'", name="lightning.pytorch")

    with pytest.raises(SystemExit) as stopped:
        Job(work, keeps_folder=False)(OmegaConf.create({}))
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message == (
        "error: lightning.pytorch is not installed, and this command needs it: "
        'pip install "inspection[train]"\n'
    )

    def broken(cfg, folder):
        raise ModuleNotFoundError("No module named 'inspektion'", name="inspektion")

    with pytest.raises(ModuleNotFoundError, match="inspektion"):
        Job(broken, keeps_folder=False)(OmegaConf.create({}))

"""Small networks on one thread, as several test processes share the cores, and the commands on a module's `home`."""

import pytest
import torch
from typer.testing import CliRunner

from flows.cli import app
from manifests.settings import load_settings


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def run(home, monkeypatch):
    """Call the command line in this process with the data folder that the test module has for `home`."""
    monkeypatch.setenv("DEEPFIELD_HOME", str(home))
    load_settings.cache_clear()

    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    yield call
    load_settings.cache_clear()

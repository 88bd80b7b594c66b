from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.local import own_api
from manifests.settings import Settings


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The temporary server for flows that tests call, started once, as that takes longer than most of them.

    Gives the folder where Prefect keeps what it is told.
    """
    from prefect.server.api.server import SubprocessASGIServer

    home = tmp_path_factory.mktemp("prefect")
    with own_api(Settings(home=home)):
        yield home / "prefect"
    assert not SubprocessASGIServer().running

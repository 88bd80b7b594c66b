from collections.abc import Iterator

import pytest

from flows.local import own_api
from manifests.settings import Settings


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The temporary server for flows that tests call, started once, as that takes longer than most of them."""
    from prefect.server.api.server import SubprocessASGIServer

    with own_api(Settings(home=tmp_path_factory.mktemp("prefect"))):
        yield
    assert not SubprocessASGIServer().running

"""A Dask cluster as the place where frames are measured."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from manifests.errors import DeepfieldError

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")

_PATIENCE_S = 10


def connect(address: str) -> "Client":
    """A client of the cluster whose scheduler has this address.

    Raises:
        DeepfieldError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client  # noqa: PLC0415  # an extra, and a second to import
    except ImportError as error:
        raise DeepfieldError(
            "DEEPFIELD_DASK_ADDRESS is set, but Dask is not installed: pip install 'deepfield[dask]', or unset it."
        ) from error
    try:
        return Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise DeepfieldError(
            f"No Dask scheduler answers at {address}: start one, or unset DEEPFIELD_DASK_ADDRESS."
        ) from error


def on_cluster(
    client: "Client", work: Callable[[list[str]], Result], batches: list[list[str]]
) -> Iterator[tuple[int, Result]]:
    """Do the work for each batch on the cluster: the size of the batch and the result, in the order they are done.

    Raises:
        DeepfieldError: a worker was killed again and again over one batch.
    """
    from distributed import KilledWorker, as_completed  # noqa: PLC0415

    # not pure: what is asked for once more is to be done once more
    futures = {client.submit(work, ids, pure=False): len(ids) for ids in batches}
    try:
        for future in as_completed(futures, loop=client.loop):
            yield futures[future], future.result()
    except KilledWorker:
        raise DeepfieldError(
            "Workers of the cluster were killed while they measured frames, most likely for want of memory: what was "
            "finished is kept; run the same command again, or lower DEEPFIELD_MAX_PIXELS."
        ) from None
    finally:
        client.cancel(list(futures))

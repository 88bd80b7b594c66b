"""A Dask cluster as the place where the tasks of a flow run."""

from typing import Any

from prefect.task_runners import TaskRunner

from manifests.errors import DeepfieldError

_PATIENCE_S = 10


def dask_runner(address: str) -> TaskRunner[Any]:
    """Prefect's task runner for the cluster whose scheduler has this address.

    Raises:
        DeepfieldError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client  # noqa: PLC0415  # an extra, and a second to import
        from prefect_dask import DaskTaskRunner  # noqa: PLC0415
    except ImportError as error:
        raise DeepfieldError(
            "DEEPFIELD_DASK_ADDRESS is set, but Dask is not installed: pip install 'deepfield[dask]', or unset it."
        ) from error
    try:
        Client(address, timeout=_PATIENCE_S, set_as_default=False).close()
    except (OSError, ValueError) as error:
        raise DeepfieldError(
            f"No Dask scheduler answers at {address}: start one, or unset DEEPFIELD_DASK_ADDRESS."
        ) from error
    runner: TaskRunner[Any] = DaskTaskRunner(address=address)
    return runner

"""A Dask cluster as the place where the tasks of a flow run."""

from typing import Any

from prefect.task_runners import TaskRunner

from curation.cluster import connect


def dask_runner(address: str) -> TaskRunner[Any]:
    """Prefect's task runner for the cluster whose scheduler has this address.

    Raises:
        DeepfieldError: Dask is not installed, or no scheduler answers.
    """
    connect(address).close()
    from prefect_dask import DaskTaskRunner  # noqa: PLC0415  # an extra, and a second to import

    runner: TaskRunner[Any] = DaskTaskRunner(address=address)
    return runner

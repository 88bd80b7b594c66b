"""Commands about this machine: the demo, Prefect's server and worker, and a check of the installation."""

import json
from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]


def demo(
    frames: Annotated[
        Path | None, typer.Option(help="Serve the pictures of this folder instead of the synthetic sky.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic sky and of the trainings.")] = 1,
) -> None:
    """Walk through the whole pipeline on a local archive: scrape, curate, train, colour, enlarge, report."""
    from flows.demo import run_demo
    from manifests.settings import load_settings

    report = run_demo(load_settings(), frames=frames, seed=seed, say=lambda text: typer.echo(text, err=True))
    typer.echo(str(report))


def up() -> None:
    """Start the Prefect server, the deployments and a worker on this machine."""
    from flows.local import start
    from manifests.settings import load_settings

    for sentence in start(load_settings()):
        typer.echo(sentence)
    typer.echo("Now for example: prefect deployment run scrape-hla/scrape-hla")


def down() -> None:
    """Stop what `up` started."""
    from flows.local import stop
    from manifests.settings import load_settings

    for sentence in stop(load_settings()):
        typer.echo(sentence)


def status(as_json: JsonOption = False) -> None:
    """Say what of Prefect is running here."""
    from dataclasses import asdict

    from flows.local import inspect
    from manifests.settings import load_settings

    found = inspect(load_settings())
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str))
        return
    typer.echo(f"server   {found.api_url}  {'answers' if found.healthy else 'does not answer: run `deepfield up`'}")
    for process in found.processes:
        state = f"pid {process.pid}" if process.pid else "not running"
        typer.echo(f"{process.role:8} {state}  log {process.log}")
    for name in found.deployments:
        typer.echo(f"deployment {name}")


def doctor(as_json: JsonOption = False) -> None:
    """Check that this machine has what Deepfield needs."""
    from dataclasses import asdict

    from flows.doctor import examine
    from manifests.settings import load_settings

    failed = False
    for check in examine(load_settings()):
        failed |= not check.ok and not check.optional
        mark = "ok" if check.ok else "-" if check.optional else "FAILED"
        typer.echo(json.dumps(asdict(check)) if as_json else f"{mark:7} {check.name:12} {check.detail}")
    if failed:
        raise typer.Exit(1)

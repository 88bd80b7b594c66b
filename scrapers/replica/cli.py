"""`deepfield replica`: a local archive to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from scrapers.replica.faults import DESCRIPTIONS, Faults

_SERVE = """Serve a local archive until Ctrl-C; its address is printed when it is ready.

Use the address as --archive-url of hla and mast, and search around RA 210.80, Dec 54.35 (M101), radius 1. The
outreach sites are below it: add /esahubble, /hubblesite or /heritage. On a synthetic sky they also have what
real ones have beside observations (drawings, charts, people, annotated twins) and a few odd and missing files.

What goes wrong with --faults, by the address and the seed:

""" + "\n\n".join(f"  {kind}: {text}" for kind, text in DESCRIPTIONS.items())

replica_app = typer.Typer(
    help="A local archive that speaks as the real ones do, for trying things without the network."
)


@replica_app.callback()
def _replica() -> None:
    """Keep `serve` a sub-command although it is the only one."""


@replica_app.command(help=_SERVE)
def serve(
    *,
    sky: Annotated[int | None, typer.Option(help="Seed of a synthetic sky (1 if neither is given).")] = None,
    frames: Annotated[
        Path | None, typer.Option(help="Folder of real pictures to serve instead, at made-up positions near M101.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")] = 8580,
    latency_ms: Annotated[float, typer.Option(min=0, help="Wait this long before each reply.")] = 0.0,
    access_log: Annotated[
        Path | None,
        typer.Option(
            help="Write each request to this file as a JSON line: time, method, path, query, status (0 for none), "
            "bytes of the body, fault (null for none)."
        ),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            help="Share of addresses that fail once before they work, from 0 to 1; or `nasty`: three in ten fail, "
            "one in six of those for good.",
            metavar="SHARE|nasty",
        ),
    ] = None,
    era: Annotated[
        str | None,
        typer.Option(
            help="Outreach sites as in 2017, 2020 or 2023; since 2020 Heritage leads to HubbleSite's collection. As in "
            "all of these at once if not given."
        ),
    ] = None,
    oddities: Annotated[
        bool,
        typer.Option(
            "--oddities",
            help="Make half of the search's rows odd, as real ones are at times: doubled, with empty cells, -9999, "
            "dates of 1900, footprints without area, broken or before 0 degrees, addresses at the public host, lost "
            "bands.",
        ),
    ] = False,
    fault_seed: Annotated[int, typer.Option(help="Which addresses fail, and how; which rows are odd.")] = 0,
) -> None:
    """Serve a local archive; see `_SERVE`."""
    import signal
    from threading import Event
    from typing import cast, get_args

    from manifests.errors import UsageError
    from scrapers.replica.catalogue import Archive
    from scrapers.replica.frames import FrameFolder
    from scrapers.replica.oddities import Oddities
    from scrapers.replica.server import serve as serve_archive
    from scrapers.replica.sites import Era
    from scrapers.replica.sky import synthetic_sky

    if sky is not None and frames is not None:
        raise UsageError("Give --sky or --frames, not both.")
    if era is not None and era not in get_args(Era):
        raise UsageError(f"There is no era {era!r}: choose from {', '.join(get_args(Era))}.")
    archive: Archive = synthetic_sky(1 if sky is None else sky) if frames is None else FrameFolder(frames)
    server = serve_archive(
        archive,
        port,
        latency_s=latency_ms / 1000,
        faults=None if faults is None else _faults(faults, fault_seed),
        access_log=access_log,
        era=cast(Era | None, era),
        oddities=Oddities(fault_seed) if oddities else None,
    )
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        typer.echo(server.url)
        stop.wait()


def _faults(text: str, seed: int) -> Faults:
    from manifests.errors import UsageError

    if text == "nasty":
        return Faults.nasty(seed)
    try:
        return Faults(float(text), seed=seed)
    except ValueError:
        raise UsageError(f"--faults {text!r} is neither a share from 0 to 1 nor `nasty`.") from None

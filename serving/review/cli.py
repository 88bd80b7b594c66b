"""`deepfield review serve`: the review page on this machine."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but loopback needs DEEPFIELD_REVIEW_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
) -> None:
    """Serve the review page: one frame large or many at once, by keyboard, mouse or thumb. Ctrl-C stops it."""
    import socket

    import uvicorn

    from curation.review.desk import Desk
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from serving.review.app import make_app
    from serving.review.guard import Guard, check_bind, is_loopback
    from serving.review.renditions import Renditions

    settings = load_settings()
    check_bind(host, settings.review_token)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise DeepfieldError(
            f"The page cannot be served at {host}:{port}: {error.strerror}. Choose another --port."
        ) from error
    # inherited by its connections: without it the second part of each small answer waits 40 ms for the first's receipt,
    # as asyncio sets it only on sockets that were made with the number of the protocol
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    engine = open_database(settings.database)
    guard = Guard(None if is_loopback(host) else settings.review_token)
    app = make_app(
        Desk(settings, engine), engine, Renditions(BlobStore(settings.blobs_dir), settings.max_pixels), guard
    )
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"Review at http://{shown}:{listener.getsockname()[1]}/  (Ctrl-C stops)")
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)).run([listener])

"""The root command `deepfield`: joins the commands of all packages and turns errors into sentences."""

import os
import sys
from typing import Annotated

import typer

from curation.cli import curate_app
from curation.review.records_cli import review_app
from flows.local_cli import demo, doctor, down, status, up
from manifests.cli import manifest_app
from manifests.errors import DeepfieldError
from scrapers.cli import scrape_app
from scrapers.replica.cli import replica_app
from serving.cli import colorize, enhance, upscale
from serving.review.cli import serve
from training.cli import evaluate, models_app, train_app
from training.study_cli import pack, study

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn the public Hubble archives into a curated image dataset, and that dataset into networks that colour "
    "a grayscale frame and enlarge it.",
    epilog="Data is kept in ./data, or where DEEPFIELD_HOME points. --debug, anywhere, shows tracebacks.",
)

DATASET, NETWORKS, MACHINE = "Dataset", "Networks", "This machine"

app.add_typer(scrape_app, name="scrape", rich_help_panel=DATASET)
app.add_typer(curate_app, name="curate", rich_help_panel=DATASET)
review_app.command()(serve)
app.add_typer(review_app, name="review", rich_help_panel=DATASET)
app.add_typer(manifest_app, name="manifest", rich_help_panel=DATASET)
app.add_typer(train_app, name="train", rich_help_panel=NETWORKS)
app.command(rich_help_panel=NETWORKS)(evaluate)
app.command(rich_help_panel=NETWORKS)(study)
app.command(rich_help_panel=NETWORKS)(pack)
app.add_typer(models_app, name="models", rich_help_panel=NETWORKS)
app.command(rich_help_panel=NETWORKS)(colorize)
app.command(rich_help_panel=NETWORKS)(upscale)
app.command(rich_help_panel=NETWORKS)(enhance)
app.command(rich_help_panel=MACHINE)(demo)
app.add_typer(replica_app, name="replica", rich_help_panel=MACHINE)
app.command(rich_help_panel=MACHINE)(up)
app.command(rich_help_panel=MACHINE)(down)
app.command(rich_help_panel=MACHINE)(status)
app.command(rich_help_panel=MACHINE)(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"deepfield {version('deepfield')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line; errors a user can act on become one sentence on stderr and exit code 1 or 2."""
    # OpenMP threads that spin while they wait make training ten times slower wherever another process is busy
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="deepfield")
    except DeepfieldError as error:
        if debug:
            raise
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("Stopped. What was finished is kept; the same command goes on from there.", 130)
    except BrokenPipeError:
        # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if debug or error.strerror is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror}{where}. Check the path, its permissions and the free space.", 1)


def _fail(message: str, code: int) -> None:
    typer.echo(f"deepfield: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

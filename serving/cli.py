"""`deepfield colorize`, `upscale` and `enhance`: a trained network on one's own pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving.enhance import OnProgress, Tool

InputsArgument = Annotated[list[Path], typer.Argument(help="JPEG, PNG, TIFF or FITS pictures, 64x64 pixels or more.")]
OutOption = Annotated[
    Path, typer.Option("--output", "-o", help="File to write (.png, .jpg, .tif); for several pictures a folder.")
]
ScaleOption = Annotated[int, typer.Option(min=2, max=12, help="How many times larger.")]
DetailOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="0, the default, is faithful, 1 the adversarial network with invented detail."),
]
ColourOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="0 is cautious in colour, 1, the default, vivid.")
]
BothOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="0 is the faithful end of both networks, 1 the vivid one.")
]
ConsistentOption = Annotated[
    bool,
    typer.Option("--consistent", help="Keep the light: the mean of the result over each pixel of the input is it."),
]
LikeOption = Annotated[
    Path | None, typer.Option("--like", metavar="REFERENCE", help="Colour picture whose colours to take after.")
]
PaletteOption = Annotated[
    str | None,
    typer.Option(
        "--palette",
        help="Preset to colour by: `hubble`, one that `deepfield models palettes` shows, or `automatic`, the network's "
        "choice. By default FITS files of narrow bands get `hubble`, all other pictures `automatic`.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Model: name, name@version, a folder or an exported file; by default the one in use."),
]


def colorize(
    inputs: InputsArgument,
    out: OutOption,
    like: LikeOption = None,
    palette: PaletteOption = None,
    strength: ColourOption = None,
    model: ModelOption = None,
) -> None:
    """Colour grayscale pictures. Lightness stays the input's; the colours are a guess, not photometry.

    Without --like and --palette the network chooses, but for FITS files whose headers name narrow bands alone, such
    as F656N, H-alpha or [O III]: they get `hubble`, and a line says so. Broad bands, such as F606W and F814W, do not.
    """
    from manifests.settings import load_settings
    from serving.enhance import open_tool, targets

    chosen = targets(inputs, out)
    tool = _guided(open_tool(load_settings().models_dir, model, "colorizer", strength), like, palette)
    _run(inputs, chosen, colorizer=tool, palette=palette)


def upscale(
    inputs: InputsArgument,
    out: OutOption,
    scale: ScaleOption = 4,
    strength: DetailOption = None,
    consistent: ConsistentOption = False,
    model: ModelOption = None,
) -> None:
    """Enlarge pictures."""
    from manifests.settings import load_settings
    from serving.enhance import open_tool, targets

    chosen = targets(inputs, out)
    tool = open_tool(load_settings().models_dir, model, "superres", strength, scale=scale)
    _run(inputs, chosen, superres=tool, consistent=consistent)


def enhance(
    inputs: InputsArgument,
    out: OutOption,
    scale: ScaleOption = 4,
    strength: BothOption = None,
    colour: ColourOption = None,
    detail: DetailOption = None,
    like: LikeOption = None,
    palette: PaletteOption = None,
    consistent: ConsistentOption = False,
    colorizer: ModelOption = None,
    superres: ModelOption = None,
) -> None:
    """Enlarge pictures, then colour them. --colour and --detail go before --strength, which is for both networks."""
    from manifests.settings import load_settings
    from serving.enhance import open_tool, targets

    colour, detail = (strength if one is None else one for one in (colour, detail))
    chosen = targets(inputs, out)
    folder = load_settings().models_dir
    # enlarged first: the colouriser then sees objects at the size it was trained on
    larger = open_tool(folder, superres, "superres", detail, scale=scale)
    coloured = _guided(open_tool(folder, colorizer, "colorizer", colour), like, palette)
    _run(inputs, chosen, superres=larger, colorizer=coloured, palette=palette, consistent=consistent)


def _guided(tool: "Tool", reference: Path | None, palette: str | None) -> "Tool":
    """The tool with the palette asked for, if any."""
    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from serving.guide import AUTOMATIC, like, preset

    if reference and palette:
        raise UsageError("--like and --palette both say which colours: give one of them.")
    if reference:
        return like(tool, reference, load_settings().max_pixels)
    return tool if palette in (None, AUTOMATIC) else preset(tool, palette)


def _run(
    inputs: list[Path],
    chosen: list[Path],
    *,
    superres: "Tool | None" = None,
    colorizer: "Tool | None" = None,
    palette: str | None = None,
    consistent: bool = False,
) -> None:
    from manifests.settings import load_settings
    from serving.enhance import process
    from serving.guide import AUTOMATIC, suited

    most = load_settings().max_pixels
    with _bars() as on_progress:
        for source, target in zip(inputs, chosen, strict=True):
            fitting, why = colorizer, None
            if colorizer and palette != AUTOMATIC:
                fitting, why = suited(colorizer, source)
            if why:
                typer.echo(why, err=True)
            process(source, target, most, on_progress, superres=superres, colorizer=fitting, consistent=consistent)
            typer.echo(str(target))


@contextmanager
def _bars() -> "Iterator[OnProgress]":
    """A function that shows tiles as a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield show

"""Writes the parts of docs/ that come from the code: the manifest's columns and the commands."""

import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from flows.cli import app
from manifests.files import write_atomic
from manifests.schema import markdown


def columns_page() -> str:
    """The page on the manifest's columns, as Markdown."""
    return (
        "# Columns of the manifest\n\nOne row per picture, Parquet. Written by `make docs` from "
        f"`manifests/schema.py`; change it there.\n\n{markdown()}"
    )


def commands_page() -> str:
    """The page on all commands and their options, as Markdown."""
    parts = ["# Commands\n\nWritten by `make docs` from the commands themselves: the same text as `--help`.\n"]

    # Typer brings its own copy of Click, so the classes are not named here
    def describe(command: Any, path: list[str]) -> None:
        context = command.make_context(" ".join(path), [], resilient_parsing=True)
        parts.append(f"{'#' * min(4, len(path) + 1)} `{' '.join(path)}`\n\n{(command.help or '').strip()}\n")
        rows = []
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record and "--help" not in parameter.opts:
                rows.append((record[0], record[1]))
            elif parameter.param_type_name == "argument":
                rows.append((parameter.human_readable_name, getattr(parameter, "help", "") or ""))
        if rows:
            lines = [f"| `{name}` | {text.replace('|', '&#124;')} |" for name, text in rows]
            parts.append("\n".join(["| option | meaning |", "|---|---|", *lines]) + "\n")
        if hasattr(command, "list_commands"):
            for name in command.list_commands(context):
                describe(command.get_command(context, name), [*path, name])

    describe(get_command(app), ["deepfield"])
    return "\n".join(parts)


def main() -> None:
    """Write both pages into the folder named on the command line."""
    folder = Path(sys.argv[1])
    write_atomic(folder / "manifest.md", columns_page())
    write_atomic(folder / "commands.md", commands_page())


if __name__ == "__main__":
    main()

"""The models that came with the package: folders like a registry version's under `models/weights`."""

from pathlib import Path

import models

VERSION = "built-in"
FOLDER = Path(models.__file__).parent / "weights"


def shipped() -> dict[str, Path]:
    """Their folders by name."""
    if not FOLDER.is_dir():
        return {}
    return {path.name: path for path in sorted(FOLDER.iterdir()) if (path / "config.json").is_file()}

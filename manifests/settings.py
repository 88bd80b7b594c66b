"""Every setting in one place, read from the environment (prefix `DEEPFIELD_`).

Archive addresses live here because the real archives move; nothing else in the code knows a host name.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from manifests.errors import UsageError


class Settings(BaseSettings):
    """Where data is kept, which archives are asked, and how politely."""

    model_config = SettingsConfigDict(env_prefix="DEEPFIELD_", frozen=True, extra="ignore")

    home: Path = Field(default=Path("data"), description="Folder that holds all data")
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="SQLAlchemy address of the catalogue; SQLite in the home folder by default",
    )

    hla_url: str = Field(default="https://hla.stsci.edu", description="Hubble Legacy Archive")
    esahubble_url: str = Field(default="https://esahubble.org", description="ESA/Hubble")
    hubblesite_url: str = Field(default="https://hubblesite.org", description="HubbleSite")
    heritage_url: str = Field(default="http://heritage.stsci.edu", description="Hubble Heritage")
    mast_url: str = Field(default="https://mast.stsci.edu", description="MAST, the successor of the Legacy Archive")
    mast_hla_pictures: Literal["mast", "hla"] = Field(
        default="mast",
        description="Who is asked for the pictures of MAST's HLA rows: MAST's download service, or HLA itself",
    )
    sesame_url: str = Field(default="https://cds.unistra.fr/cgi-bin/nph-sesame", description="Name resolver of the CDS")

    requests_per_second: float = Field(default=2.0, gt=0, description="Requests a second to one host")
    connections: int = Field(default=4, ge=1, le=64, description="Connections to one host at once")
    timeout_s: float = Field(default=120.0, gt=0, description="Longest silence of a server that is waited for")
    attempts: int = Field(default=5, ge=1, description="Tries before a request counts as failed")
    max_bytes: int = Field(default=512 * 2**20, gt=0, description="Largest reply that is read")
    max_pixels: int = Field(default=400_000_000, gt=0, description="Largest picture that is decoded")
    dask_address: str | None = Field(
        default=None,
        description="Scheduler of a Dask cluster that measures frames; its workers must see the home folder",
    )
    chromium: Path | None = Field(
        default=None, description="Chromium for pages that only JavaScript builds; the system's by default"
    )
    review_token: str | None = Field(
        default=None, repr=False, description="Secret that the review page asks for where other machines can reach it"
    )
    contact: str | None = Field(
        default=None,
        description="Mail address or page named in the User-Agent, so that an archive can reach you",
    )

    @property
    def blobs_dir(self) -> Path:
        """Original bytes, by SHA-256."""
        return self.home / "blobs"

    @property
    def manifest_dir(self) -> Path:
        """Snapshots and `HEAD`."""
        return self.home / "manifest"

    @property
    def measures_dir(self) -> Path:
        """What was measured of each frame."""
        return self.home / "measures"

    @property
    def runs_dir(self) -> Path:
        """Training runs."""
        return self.home / "runs"

    @property
    def models_dir(self) -> Path:
        """Registered models."""
        return self.home / "models"

    @property
    def packs_dir(self) -> Path:
        """Decoded training packs, made again at need."""
        return self.home / "packs"

    @property
    def database(self) -> str:
        """SQLAlchemy address of the catalogue."""
        return self.database_url or f"sqlite:///{(self.home / 'catalog.db').absolute()}"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once per process.

    Raises:
        UsageError: a variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "DEEPFIELD_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(f"{name} is set to {first['input']!r}, which cannot be used: {first['msg']}.") from None

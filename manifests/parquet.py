"""Parquet by fastparquet's safe side: always a whole new file, read back and compared before it gets its name.

fastparquet can neither append atomically nor be trusted with files of two schemas, so nothing here appends.
"""

import os
from pathlib import Path

import fastparquet
import pandas as pd

from manifests.errors import DeepfieldError
from manifests.files import sync_folder


def write_parquet(rows: pd.DataFrame, path: Path) -> None:
    """Write rows to `path` in one step: a temporary file, read back and compared, then renamed.

    Columns may be object (text or None), int64, float64 and nullable boolean.

    Raises:
        DeepfieldError: what was read back differs from what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fastparquet.write(
            str(partial), rows, compression="ZSTD", object_encoding="utf8", write_index=False, stats=False
        )
        pd.testing.assert_frame_equal(read_parquet(partial), rows, check_exact=True)
        with partial.open("rb+") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    except AssertionError as error:
        raise DeepfieldError(f"{path} does not read back as it was written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_parquet(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Rows of one Parquet file.

    Raises:
        DeepfieldError: the file is missing or damaged.
    """
    try:
        return fastparquet.ParquetFile(str(path)).to_pandas(columns=columns)
    except (OSError, ValueError, RuntimeError, KeyError, IndexError, TypeError, fastparquet.ParquetException) as error:
        # fastparquet reports a damaged file by any of these
        raise DeepfieldError(f"{path} cannot be read ({error}): restore it from a copy.") from error

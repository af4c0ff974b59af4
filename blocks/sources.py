"""Where batches come from: a landing folder of files, a SQL database, or a Delta table."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DeltaSource", "FileSource", "SqlSource"]

READERS = (".parquet", ".csv", ".jsonl")


class FileSource(Block):
    """A folder in which batches land as Parquet, CSV or JSON-lines files.

    Example:
        Load a saved source and read a batch:
        ```python
        from prefect_mlops.blocks import FileSource

        rows = FileSource.load("default").read("rows-2013-04.parquet")
        ```
    """

    _block_type_name = "MLOps Source"
    _block_type_slug = "mlops-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    folder: str = Field(default="", description="The landing folder; `landing` under the home when empty.")

    def read(self, batch: str) -> pd.DataFrame:
        """Read a batch by its file name.

        Raises:
            NotFound: No such file has landed.
            DataError: The name leads out of the folder, the ending is unknown, or the file cannot be read.
        """
        import pandas as pd

        path = self._path(batch)
        if not path.is_file():
            raise NotFound("batch", batch, f"Drop it into {path.parent}, or use `prefect-mlops land`")
        readers = {
            ".parquet": pd.read_parquet,
            ".csv": pd.read_csv,
            ".jsonl": lambda file: pd.read_json(file, lines=True, convert_dates=False),
        }
        try:
            rows = readers[path.suffix](path)
        except Exception as error:  # every reader has its own zoo of errors; all mean the same to us
            said = " ".join(str(error).split())[:200]
            raise DataError(f"Batch {batch!r} cannot be read ({said})", "Send the file again, whole") from error
        return rows

    def put(self, file: Path, batch: str = "") -> str:
        """Copy a file into the landing folder; it appears there whole or not at all.

        Returns:
            The batch's name.
        """
        name = batch or file.name
        target = self._path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(file, partial)
        partial.replace(target)
        return name

    def _path(self, batch: str) -> Path:
        folder = place(self.folder, "landing")
        path = (folder / batch).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise DataError(f"The batch name {batch!r} leads out of the landing folder", "Use a bare file name")
        if path.suffix not in READERS:
            raise DataError(f"The batch {batch!r} has an unknown ending", f"Use one of {', '.join(READERS)}")
        return path


class SqlSource(Block):
    """A SQL database, through SQLAlchemy; a batch is the name of a table or view.

    Example:
        Load a saved source and read a table:
        ```python
        from prefect_mlops.blocks import SqlSource

        rows = SqlSource.load("warehouse").read("flights_2013_04")
        ```
    """

    _block_type_name = "MLOps SQL Source"
    _block_type_slug = "mlops-sql-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    url: SecretStr = Field(default=..., description="SQLAlchemy address, such as postgresql+psycopg://user:password@host/db.")

    def read(self, batch: str) -> pd.DataFrame:
        """Read a table or view.

        Raises:
            NotFound: The database has none of that name.
        """
        import pandas as pd
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url.get_secret_value())
        try:
            if not sqlalchemy.inspect(engine).has_table(batch):
                raise NotFound("table or view", batch, f"Make it in {engine.url.render_as_string(hide_password=True)}")
            return pd.read_sql_table(batch, engine)
        finally:
            engine.dispose()


class DeltaSource(Block):
    """A folder of Delta tables that somebody else writes; a batch is `table` or `table@version`.

    Example:
        Load a saved source and read a table at a version:
        ```python
        from prefect_mlops.blocks import DeltaSource

        rows = DeltaSource.load("lake").read("flights@12")
        ```
    """

    _block_type_name = "MLOps Delta Source"
    _block_type_slug = "mlops-delta-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    root: str = Field(default=..., description="A folder or an s3:// address.")
    storage_options: dict[str, SecretStr] = Field(default={}, description="Options of the object store, such as keys.")

    def read(self, batch: str) -> pd.DataFrame:
        """Read a table, at a version where the name says one.

        Raises:
            NotFound: There is no such table or version.
        """
        from prefect_mlops.blocks.tables import DeltaTables

        table, _, version = batch.partition("@")
        tables = DeltaTables(root=self.root, storage_options=self.storage_options)
        return tables.read(table, version=int(version) if version else None)

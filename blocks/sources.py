"""Where batches come from: a landing folder of files, a SQL database, or a Delta table."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchSource", "DeltaSource", "FileSource", "SqlSource"]

ENDINGS = (".parquet", ".csv", ".jsonl")
ISO_WITH_ZONE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)"


class BatchSource(Protocol):
    """Anything that gives the rows of a batch by the batch's name."""

    def read(self, batch: str) -> pd.DataFrame:
        """Read a batch."""


class FileSource(Block):
    """A folder in which batches land as Parquet, CSV or JSON-lines files.

    Example:
        Load a saved source and read a batch:
        ```python
        from prefect_mlops.blocks import FileSource

        source = FileSource.load("BLOCK_NAME")
        rows = source.read("rows-2013-04.parquet")
        ```
    """

    _block_type_name = "MLOps Source"
    _block_type_slug = "mlops-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    folder: str = Field(default="", description="The landing folder; `landing` under the home when empty.")

    def read(self, batch: str) -> pd.DataFrame:
        """Read a batch by its file name.

        In CSV and JSON lines, where types have to be guessed, a column of ISO 8601 times with a zone becomes times.

        Raises:
            NotFound: No such file has landed.
            DataError: The name leads out of the folder, the ending is unknown, or the file cannot be read.
        """
        path = self._path(batch)
        if not path.is_file():
            raise NotFound("batch", batch, f"Drop it into {path.parent}, or use `prefect-mlops land`")
        try:
            return _rows(path)
        except Exception as error:  # every reader has its own zoo of errors; all mean the same to us
            said = " ".join(str(error).split())[:200]
            raise DataError(f"Batch {batch!r} cannot be read ({said})", "Send the file again, whole") from error

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
        if path.suffix not in ENDINGS:
            raise DataError(f"The batch {batch!r} has an unknown ending", f"Use one of {', '.join(ENDINGS)}")
        return path


class SqlSource(Block):
    """A SQL database, through SQLAlchemy; a batch is a table or view, or fills in a query.

    Example:
        Load a saved source and read a table:
        ```python
        from prefect_mlops.blocks import SqlSource

        source = SqlSource.load("BLOCK_NAME")
        rows = source.read("flights_2013_04")
        ```
    """

    _block_type_name = "MLOps SQL Source"
    _block_type_slug = "mlops-sql-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    url: SecretStr = Field(default=..., description="SQLAlchemy address, such as postgresql+psycopg://user:pw@host/db.")
    query: str = Field(
        default="", description="SQL with the parameter `:batch`; when empty, a batch names a table or view."
    )

    def read(self, batch: str) -> pd.DataFrame:
        """Read a table or view, or what the query gives for the batch.

        Raises:
            NotFound: The database has no table or view of that name.
            DataError: The database does not answer, or refuses the query.
        """
        import pandas as pd
        import sqlalchemy as sa

        engine = sa.create_engine(self.url.get_secret_value(), poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                if self.query:
                    return pd.read_sql_query(sa.text(self.query), connection, params={"batch": batch})
                seen = sa.inspect(connection)
                if batch not in (*seen.get_table_names(), *seen.get_view_names()):
                    raise NotFound("table or view", batch, f"Make it in {engine.url.render_as_string()}")
                return pd.read_sql_table(batch, connection)
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
            where = engine.url.render_as_string()
            cure = "Start the database, or correct `url` and `query` in the source block"
            raise DataError(f"Batch {batch!r} cannot be read from {where} ({said})", cure) from error


class DeltaSource(Block):
    """A folder of Delta tables that somebody else writes; a batch is `table` or `table@version`.

    Example:
        Load a saved source and read a table at a version:
        ```python
        from prefect_mlops.blocks import DeltaSource

        source = DeltaSource.load("BLOCK_NAME")
        rows = source.read("flights@12")
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
            DataError: The name is not `table` or `table@version`.
        """
        from prefect_mlops.blocks.tables import DeltaTables

        table, at, version = batch.partition("@")
        if at and not version.isdigit():
            raise DataError(f"{batch!r} names no version of a table", "Write `table@version`, such as flights@12")
        tables = DeltaTables(root=self.root, storage_options=self.storage_options)
        return tables.read(table, version=int(version) if at else None)


def _rows(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    rows: pd.DataFrame = (
        pd.read_csv(path, low_memory=False) if path.suffix == ".csv" else pd.read_json(path, lines=True, dtype=False)
    )
    for name in rows.select_dtypes(["object", "string"]):
        column = rows[name].dropna()
        if len(column) and all(
            isinstance(v, str) and re.fullmatch(ISO_WITH_ZONE, v) for v in (column.iloc[0], *column)
        ):
            rows[name] = pd.to_datetime(rows[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    return rows

"""Where batches come from that are not files: a SQL database, or a Delta table; each is named by whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.core.errors import DataError, NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchSource", "DeltaSource", "SqlSource"]


class BatchSource(Protocol):
    """Anything that gives the rows of a batch by the batch's name."""

    def read(self, batch: str) -> pd.DataFrame:
        """Read a batch."""


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

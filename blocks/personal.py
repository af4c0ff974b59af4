"""The secret under which personal values are matched without being written anywhere."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PersonalKey"]

SHORTEST = 16


class PersonalKey(Block):
    """The key of the stand-ins (HMAC-SHA256) that take the place of personal values.

    Whoever has another key sees no two of them match, so keep it as long as quarantined rows are kept.

    Example:
        Load a saved key and replace a column:
        ```python
        from prefect_mlops.blocks import PersonalKey

        key = PersonalKey.load("BLOCK_NAME")
        rows["email"] = key.pseudonymise(rows["email"])
        ```
    """

    _block_type_name = "MLOps Personal Key"
    _block_type_slug = "mlops-personal-key"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    key: SecretStr = Field(default=..., min_length=SHORTEST, description="At least 16 characters that nobody guesses.")

    @classmethod
    def kept_in(cls, path: Path) -> PersonalKey:
        """The key in a file that only its owner reads; made of 32 random bytes where there is none yet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # A link, unlike a rename, never replaces the key that another process just made.
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as partial, contextlib.suppress(FileExistsError):
                partial.write(secrets.token_hex(32))
                partial.flush()
                os.link(partial.name, path)
        return cls(key=SecretStr(path.read_text()))

    def pseudonymise(self, values: pd.Series) -> pd.Series:
        """Stand-ins for the values of a column; equal values have equal ones, nulls stay nulls."""
        from prefect_mlops.core.privacy import pseudonymise

        return pseudonymise(values, self.key.get_secret_value().encode())

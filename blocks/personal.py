"""The secret under which personal values are matched without being written anywhere."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, model_validator

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

    key: SecretStr = Field(default=SecretStr(""), description="At least 16 characters that nobody guesses.")
    secret_arn: str = Field(default="", description="Secret that holds it instead, in AWS Secrets Manager.")

    @model_validator(mode="after")
    def _has_a_key(self) -> PersonalKey:
        if not self.secret_arn and len(self.key.get_secret_value()) < SHORTEST:
            raise ValueError(f"the key needs at least {SHORTEST} characters, or the ARN of a secret that holds one")
        return self

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

        return pseudonymise(values, self.secret())

    def secret(self) -> bytes:
        """The key itself: never print it.

        Raises:
            NotFound: The secret has no value.
            ServingError: It cannot be read, or is too short.
        """
        key = self.key.get_secret_value()
        if self.secret_arn:
            from prefect_mlops.blocks.secretstore import read_secret_value
            from prefect_mlops.core.errors import ServingError

            key = read_secret_value(self.secret_arn)
            if len(key) < SHORTEST:
                cure = "Put a longer one in before any row is quarantined"
                raise ServingError(f"The secret {self.secret_arn} has fewer than {SHORTEST} characters", cure)
        return key.encode()

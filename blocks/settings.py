"""How this process behaves: settings with the prefix `PREFECT_INTEGRATIONS_MLOPS_`, none of them a threshold."""

import getpass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["MlopsSettings", "place"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user id has no name
        return "unknown"


class MlopsSettings(BaseSettings):
    """Settings, read from the environment each time they are asked for."""

    model_config = SettingsConfigDict(env_prefix="PREFECT_INTEGRATIONS_MLOPS_", frozen=True)

    home: Path = Field(default=Path("~/.prefect-mlops"), description="Where things lie that no block places elsewhere.")
    commit: str = Field(default="", description="Commit of the code, where git cannot be asked.")
    actor: str = Field(default_factory=_user, description="Who acts outside of a flow run.")


def place(named: str, default: str) -> Path:
    """A folder or file that a block names, or its default place under the home; its parent is made.

    Args:
        named: What the block says; empty for the default.
        default: The default's name under the home.
    """
    path = Path(named).expanduser() if named else MlopsSettings().home.expanduser() / default
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.absolute()

"""What every part of a spec has in common: frozen, unknown keys refused, told apart by `kind`."""

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Frozen", "kind_of"]


class Frozen(BaseModel):
    """A record that cannot be changed and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def kind_of(part: Any) -> str | None:
    """The tag of a part in a union: its `kind`, or `custom` for one named by import path.

    Examples:
        >>> kind_of({"kind": "at-least"}), kind_of({"kind": "acme.gates:MaxLatency"})
        ('at-least', 'custom')
    """
    kind = part.get("kind") if isinstance(part, dict) else getattr(part, "kind", None)
    if not isinstance(kind, str):
        return None
    return "custom" if ":" in kind else kind

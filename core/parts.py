"""What every part of a spec has in common: frozen, unknown keys refused, told apart by `kind`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler

__all__ = ["Frozen", "kind_of", "without_references"]


class Frozen(BaseModel):
    """A record that cannot be changed and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def without_references(node: Any, handler: GetJsonSchemaHandler) -> Any:
    """A JSON schema in which every part stands where it is referred to."""
    if isinstance(node, list):
        return [without_references(each, handler) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**handler.resolve_ref_schema({"$ref": node["$ref"]}), **beside}
    return {key: without_references(value, handler) for key, value in node.items() if key != "discriminator"}


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

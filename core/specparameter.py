"""A spec as the parameter of a flow, with its JSON schema from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from prefect_mlops.core.spec import ModelSpec

__all__ = ["SCHEMA", "SpecParameter", "schema_text"]

SCHEMA = Path(__file__).with_name("spec-schema.json")
"""Written by `make schema`; editors that know JSON Schema complete specs with it."""


class _FromFile:
    """Prefect builds the schema of each parameter twice whenever a flow is imported; a file is there at once."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(ModelSpec.model_validate)

    @staticmethod
    def __get_pydantic_json_schema__(core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        del core, handler
        schema: dict[str, Any] = json.loads(SCHEMA.read_text())
        return schema


SpecParameter = Annotated[ModelSpec, _FromFile]


def schema_text() -> str:
    """The JSON schema of `ModelSpec` as it is now, every part where it is used."""
    return json.dumps(_inlined(ModelSpec.model_json_schema(), {}), indent=1, ensure_ascii=False) + "\n"


def _inlined(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    parts = node.get("$defs", parts)
    if "$ref" in node:
        node = {**parts[node["$ref"].removeprefix("#/$defs/")], **node}
    return {key: _inlined(value, parts) for key, value in node.items() if key not in ("$ref", "$defs", "discriminator")}


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())

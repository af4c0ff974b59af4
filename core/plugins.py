"""How a spec names a class of somebody else's: `kind: "acme.gates:MaxLatency"`."""

import importlib
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from prefect_mlops.core.errors import PartError

__all__ = ["CustomPart", "import_object", "resolve_part"]

CUSTOM_KIND = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"

Part = TypeVar("Part")


class CustomPart(BaseModel):
    """A part of a spec whose class is named by import path; all other keys go to that class."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    kind: Annotated[str, StringConstraints(pattern=CUSTOM_KIND)]


def import_object(path: str) -> Any:
    """The object behind `package.module:Name` or `package.module.Name`.

    Raises:
        PartError: The module does not import, or has no such name.

    Examples:
        >>> import_object("math:hypot")(3, 4)
        5.0
    """
    module_name, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PartError(path, f"its module does not import ({error}); install it where flows run") from error
    except ValueError as error:
        raise PartError(path, "it is not an import path; write package.module:Name") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        near = tuple(sorted(public for public in vars(module) if not public.startswith("_")))[:12]
        raise PartError(path, f"module {module_name!r} has no {name!r}", near) from error


def resolve_part(part: BaseModel, base: type[Part]) -> Part:
    """A part ready for use: itself, or an instance of the class that its `kind` names.

    Args:
        part: A part of a spec, one of ours or a `CustomPart`.
        base: The class or protocol that the part must be an instance of.

    Raises:
        PartError: The class cannot be imported, refuses its keys, or is not a `base`.
    """
    if not isinstance(part, CustomPart):
        if isinstance(part, base):
            return part
        raise PartError(type(part).__name__, f"it is not a {base.__name__}")
    found = import_object(part.kind)
    keys = part.model_dump(exclude={"kind"})
    try:
        made = found(**keys)
    except (TypeError, ValidationError) as error:
        raise PartError(part.kind, f"it refuses the keys {sorted(keys)} ({error})") from error
    if not isinstance(made, base):
        raise PartError(part.kind, f"it is not a {base.__name__}")
    return made

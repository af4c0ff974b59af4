"""A team's own `service.py` in place of ours: the source of one module, which the serving environment can import."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Collection
from importlib.metadata import packages_distributions
from pathlib import Path

from prefect_mlops.core.errors import PartError

__all__ = ["own_service"]


def own_service(module: str, beside: Collection[str], packages: Collection[str]) -> str:
    """The source of a module that a spec names as its service, without importing it.

    Args:
        module: Its dotted path, as `spec.serving.service` gives it.
        beside: Modules that will lie beside it.
        packages: What the serving environment installs, names in lower case.

    Raises:
        PartError: There is no such module, it names no `service`, or it imports what will not be there.
    """
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise PartError(module, f"it cannot be found ({error})") from error
    if found is None or not (found.origin or "").endswith(".py"):
        raise PartError(module, "there is no such module of Python source on the import path")
    source = Path(str(found.origin)).read_text(encoding="utf-8")
    tree = ast.parse(source)
    if "service" not in _assigned(tree):
        raise PartError(module, "it has no `service`; decorate its class by @bentoml.service, or assign one")
    provided, held = packages_distributions(), {_plain(package) for package in packages}
    for name in sorted(_imported(tree)):
        if name == "prefect_mlops":
            reason = "it imports prefect_mlops, which is not installed where models are served; read contract.json"
            raise PartError(module, reason)
        if name in sys.stdlib_module_names or name in beside:
            continue
        if not any(_plain(package) in held for package in provided.get(name, ())):
            reason = f"it imports {name}, and the serving environment holds no package with it; one file must suffice"
            raise PartError(module, reason)
    return source


def _plain(package: str) -> str:
    """A package's name as all spellings of it have in common.

    Examples:
        >>> _plain("Typing_extensions")
        'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", package).lower()


def _assigned(tree: ast.Module) -> set[str]:
    """Names at the top of a module."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
    return names


def _imported(tree: ast.Module) -> set[str]:
    """The first words of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            names.add(f"{'.' * node.level}{node.module or ''}")
    return names

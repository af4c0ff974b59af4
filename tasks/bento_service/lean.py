"""What BentoML imports and a server of one bento never calls is not loaded; lies beside `run.py`.

Its cloud client, supervisor and proxy bring aiohttp, rich, tornado and ZeroMQ: 17 MB of each server, and a third of a
second of its start. Names in them stay importable; whoever calls one is told what it stands for.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["UNUSED", "skip_unused"]

UNUSED = (
    "_bentoml_impl.server.proxy",
    "bentoml._internal.cloud",
    "bentoml._internal.utils.circus",
    "httpx._main",
    "watchfiles",
)


def skip_unused() -> None:
    """From now on, these modules and what lies below them are stand-ins; to be called before BentoML is imported."""
    sys.meta_path.insert(0, _StandIns())


class _StandIn(ModuleType):
    """A module in which everything is found, and nothing can be made."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{self.__name__}.{name} is not loaded where one bento is served; use `bentoml serve`")

        # A class, because BentoML names some as the type of an argument; an exception, because it catches some.
        made = type(name, (Exception,), {"__init__": refuse})
        setattr(self, name, made)
        return made


class _StandIns(MetaPathFinder, Loader):
    """Finds stand-ins where others would find the modules."""

    def find_spec(self, fullname: str, *_: Sequence[str] | ModuleType | None) -> ModuleSpec | None:
        if any(fullname == name or fullname.startswith(f"{name}.") for name in UNUSED):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is to be done."""

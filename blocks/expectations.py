"""Where validation suites are kept that several specs share: a folder of YAML or JSON files."""

from __future__ import annotations

import re
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.spec import Suite

__all__ = ["SuiteStore"]

ENDINGS = (".yaml", ".yml", ".json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class SuiteStore(Block):
    """A folder of Great Expectations suites, one YAML or JSON file each, as GX 1.x writes them.

    Example:
        Load a saved store and read a suite:
        ```python
        from prefect_mlops.blocks import SuiteStore

        suites = SuiteStore.load("BLOCK_NAME")
        suite = suites.get("flights")
        ```
    """

    _block_type_name = "MLOps Suites"
    _block_type_slug = "mlops-suites"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    folder: str = Field(default="", description="The folder; `suites` under the home when empty.")

    def names(self) -> tuple[str, ...]:
        """The suites that are there, sorted."""
        return tuple(sorted({path.stem for path in self._folder().glob("*.*") if path.suffix in ENDINGS}))

    def get(self, name: str) -> Suite:
        """Read a suite.

        Raises:
            NotFound: There is none of that name.
            SpecError: The file is not a suite.
        """
        from prefect_mlops.core.suites.written import suite_from

        folder = self._folder()
        path = next((file for ending in ENDINGS if (file := folder / f"{_checked(name)}{ending}").is_file()), None)
        if path is None:
            known = ", ".join(self.names()) or "none"
            raise NotFound("suite", name, f"Put {name}.yaml into {folder}; it holds {known}")
        return suite_from(path)

    def put(self, name: str, suite: Suite) -> Path:
        """Write a suite as YAML, over an older one of that name; it appears whole or not at all."""
        from prefect_mlops.core.suites.proposed import write_suite

        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_checked(name)}.yaml"
        partial = path.with_suffix(".part")
        partial.write_text(write_suite(suite), encoding="utf-8")
        return partial.replace(path)

    def _folder(self) -> Path:
        return place(self.folder, "suites")


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise DataError(f"{name!r} cannot name a suite", "Use letters, digits, '.', '_' and '-'")
    return name

"""Where validation suites are kept that several specs share: a folder of YAML or JSON files."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, ValidationError

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import NotFound, SpecError, SpecProblem
from prefect_mlops.core.spec import Suite

__all__ = ["SuiteStore"]


class SuiteStore(Block):
    """A folder of Great Expectations suites, one YAML or JSON file each, as GX 1.x writes them.

    Example:
        Load a saved store and read a suite:
        ```python
        from prefect_mlops.blocks import SuiteStore

        suite = SuiteStore.load("default").get("flights")
        ```
    """

    _block_type_name = "MLOps Suites"
    _block_type_slug = "mlops-suites"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    folder: str = Field(default="", description="The folder; `suites` under the home when empty.")

    def names(self) -> tuple[str, ...]:
        """The suites that are there, sorted."""
        return tuple(sorted({path.stem for path in self._folder().glob("*.*") if path.suffix in (".yaml", ".yml", ".json")}))

    def get(self, name: str) -> Suite:
        """Read a suite.

        Raises:
            NotFound: There is none of that name.
            SpecError: The file is not a suite.
        """
        import yaml

        for ending in (".yaml", ".yml", ".json"):
            path = self._folder() / f"{name}{ending}"
            if path.is_file():
                break
        else:
            raise NotFound("suite", name, f"Put {name}.yaml into {self._folder()}; there are {', '.join(self.names()) or 'none'}")
        try:
            found = yaml.safe_load(path.read_text())
            kept = [{k: e[k] for k in ("type", "kwargs", "meta", "severity") if k in e} for e in found["expectations"]]
            return Suite.model_validate({"expectations": kept})
        except (yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
            said = " ".join(str(error).split())[:300]
            raise SpecError(str(path), (SpecProblem("expectations", f"it is not a suite ({said})."),)) from error

    def put(self, name: str, suite: Suite) -> Path:
        """Write a suite as YAML, over an older one of that name."""
        import yaml

        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.yaml"
        content = {"name": name, "expectations": [e.model_dump(mode="json") for e in suite.expectations]}
        partial = path.with_suffix(".part")
        partial.write_text(yaml.safe_dump(content, sort_keys=False))
        return partial.replace(path)

    def _folder(self) -> Path:
        return place(self.folder, "suites")

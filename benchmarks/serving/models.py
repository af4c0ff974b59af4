"""The models that are served: a mixed pipeline, the demo's own, and one on numbers alone, each with rows to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from prefect_mlops.blocks import BentoStore
from prefect_mlops.core.lineage import DataVersion, Lineage
from prefect_mlops.core.runtimes import convert
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.core.trainers.golden import golden_rows
from prefect_mlops.core.trainers.stored import stored
from prefect_mlops.tasks import build_bento
from prefect_mlops.tasks.registry import Package

if TYPE_CHECKING:
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["Served", "made"]

ROOT = Path(__file__).parents[2]
GBC = {"kind": "sklearn", "estimator": "sklearn.ensemble.GradientBoostingClassifier"}
ROWS, ASKED, GOLDEN = 4_000, 200, 25
SEED = 7


class Served(NamedTuple):
    """One model, packaged.

    Attributes:
        name: What it is called here.
        spec: What it must be.
        model: Fitted; its peers serve its pipeline.
        package: What the registry would keep.
        asked: Rows of requests, with the columns that name them.
    """

    name: str
    spec: ModelSpec
    model: FittedModel
    package: Package
    asked: list[dict[str, Any]]

    @property
    def features(self) -> list[dict[str, Any]]:
        """The rows with what the model needs and nothing more."""
        return [{name: row[name] for name in self.model.features} for row in self.asked]

    def bento(self, store: BentoStore) -> str:
        """The tag of its bento."""
        return build_bento.fn(self.spec, self.package, store).tag


def made(name: str) -> Served:
    """Fit and package one of `mixed`, `flights` and `numeric`."""
    spec, rows = _flights() if name == "flights" else _drawn(name)
    model = spec.resolved_trainer().fit(spec, rows)
    converted = convert(model, spec.features.category, rows, spec.serving.tolerance)
    assert converted.content, converted.reason
    file = stored(model)
    lineage = Lineage(
        model=spec.name,
        data=DataVersion(table="drawn", version=0, rows=len(rows), digest="0" * 64),
        labels_version=0,
        commit="",
        spec_digest=spec.digest,
        lock_digest="",
        seed=spec.seed,
        parameters={},
        holdout_digest="",
        cutoff="",
        as_of="2026-01-01T00:00:00+00:00",
    )
    whole = rows.dropna(subset=list(model.features))
    package = Package(
        version=1,
        model=file.content,
        trusted=tuple(file.trusted),
        features=model.features,
        classes=model.classes,
        golden=json.dumps(golden_rows(model, whole.head(GOLDEN), spec.features.category)),
        lineage=lineage,
        onnx=converted.content,
        without_onnx=converted.reason,
        threshold=model.threshold,
        quantiles=model.quantiles,
    )
    columns = [*spec.data.key, *([spec.data.time] if spec.data.time else []), *model.features]
    asked = json.loads(whole[columns].head(ASKED).to_json(orient="records", date_format="iso"))
    return Served(name, spec, model, package, asked)


def _flights() -> tuple[ModelSpec, pd.DataFrame]:
    """The demo's own model on the flights of a month."""
    from prefect_mlops.deployments.demo.datasets import flights

    spec = load_spec(ROOT / "deployments" / "specs" / "flights-late.yaml")
    rows = flights()
    rows = rows[(rows["month"] == 1) & rows["late"].notna()].astype({"late": "bool"}).reset_index(drop=True)
    return spec, rows


def _drawn(name: str) -> tuple[ModelSpec, pd.DataFrame]:
    """Made rows: twelve numbers, or eight with four categories; a GBC of 100 trees learns from them."""
    rng = np.random.default_rng(SEED)
    numbers = [f"n{place}" for place in range(8 if name == "mixed" else 12)]
    texts = {f"c{place}": size for place, size in enumerate((3, 5, 8, 12))} if name == "mixed" else {}
    rows = pd.DataFrame({column: rng.normal(size=ROWS) for column in numbers})
    for column, size in texts.items():
        rows[column] = rng.choice([f"{column}-{letter}" for letter in "abcdefghijkl"[:size]], ROWS)
    signal = rows["n0"] + rows["n1"] * rows["n2"] + rng.normal(size=ROWS)
    for column in texts:
        signal += 0.5 * (rows[column] == f"{column}-a")
    rows = rows.assign(
        row_id=[f"r{place}" for place in range(ROWS)],
        happened=pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(ROWS), unit="min"),
        y=signal > 0.3,
    )
    spec = ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": f"bench-{name}",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["row_id"], "time": "happened"},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": numbers, "category": list(texts)},
            "split": {"kind": "by-key"},
            "trainer": GBC,
            "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
        }
    )
    return spec, rows

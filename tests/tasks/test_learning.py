"""A candidate is learned with what its search chose, and the search lies where other machines find it."""

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from prefect_mlops.blocks import Ledger
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import learn_candidate
from tests.core.trainer_cases import LOGISTIC, rows_for, spec_with


def searching() -> ModelSpec:
    space = {"C": {"low": 0.01, "high": 10.0, "log": True}}
    return spec_with({"estimator": LOGISTIC}, search={"space": space, "metric": "log_loss", "trials": 3, "folds": 2})


def test_without_a_search_the_spec_is_fitted_as_it_is() -> None:
    spec = spec_with({"estimator": LOGISTIC})

    learned = learn_candidate.fn(spec, rows_for(spec))

    assert (learned.spec, learned.search) == (spec, None)
    assert learned.usage.cpu_seconds > 0
    assert learned.usage.peak_mib > 50


@pytest.mark.process
def test_a_search_lies_in_the_ledgers_database_and_is_asked_once(postgres: str) -> None:
    spec, ledger = searching(), Ledger(url=SecretStr(postgres))

    first, again = (learn_candidate.fn(spec, rows_for(spec), ledger) for _ in range(2))

    assert first.search is not None
    assert again.search == first.search
    assert first.model.pipeline[-1].C == first.search.parameters["C"] == first.spec.trainer.parameters["C"]  # type: ignore[union-attr]  # it is ours
    with sa.create_engine(postgres, poolclass=sa.NullPool).connect() as connection:
        assert connection.execute(sa.text("select count(*) from trials")).scalar() == 3

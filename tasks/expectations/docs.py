"""Great Expectations' own page about one validation, as a document in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.tasks.expectations.judging import Judged
from prefect_mlops.tasks.expectations.plain import unanswered
from prefect_mlops.tasks.expectations.reading import UNSAID, hides, raised

__all__ = ["render_page"]

COUNTS = (
    "element_count",
    "missing_count",
    "missing_percent",
    "unexpected_count",
    "unexpected_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
)
"""What may be shown of a personal column: how many, never which."""
LOGO = re.compile(r"<img[^>]*great-expectations-web-assets[^>]*>")
"""An image on GX's own server, asked for with the time of rendering at every opening of the page."""


def render_page(judged: Judged, suite: Suite, personal: Sequence[str]) -> str:
    """The page as HTML. Its styles and scripts come from public networks when it is opened; without them it is plain.

    Args:
        judged: GX's results.
        suite: What was asked.
        personal: Columns of which neither values nor what was observed are shown.
    """
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    pairs = enumerate(zip(suite.expectations, judged.results, strict=True))
    results = [_shown(position, expectation, result, personal) for position, (expectation, result) in pairs]
    held = sum(bool(result.success) for result in results)
    answer = ExpectationSuiteValidationResult(
        results=results,
        success=held == len(results),
        suite_name=suite.stored or suite.digest[:12],
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100 * held / len(results) if results else None,
        },
        meta={"run_id": RunIdentifier(run_name=suite.digest[:12]), "batch_spec": {}, "batch_markers": {}},
    )
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(answer))
    return LOGO.sub("", page)


def _shown(position: int, expectation: Expectation, result: Any, personal: Sequence[str]) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    hidden, error = hides(expectation, personal), raised(result)
    if error:
        return unanswered(position, expectation, UNSAID if hidden else error)
    told = json.loads(json.dumps(result.to_json_dict()["result"]))  # GX's page refuses numpy's numbers
    if hidden:
        told = {name: told[name] for name in COUNTS if name in told}
    return ExpectationValidationResult(
        success=bool(result.success),
        expectation_config=result.expectation_config,
        result=told,
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )

"""Whether a server says of rows what the model said of them offline, label by label and number by number."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect_mlops.core.contract import Label
from prefect_mlops.core.parts import Frozen

__all__ = ["Agreement", "Offline", "compare_answers", "edge_rows"]

HUGE, SMALL = 1e12, 1e-12
BEYOND_SINGLE = 2.0**24 + 1
"""The smallest whole number that single precision cannot hold."""
UNSEEN = "never seen \u65e5\u672c \u00df\u0301 \U0001f680"


class Offline(Frozen):
    """Rows with what the model said of them when it was trained.

    Attributes:
        rows: As a request holds them.
        names: What each row tries out, such as `all missing`; empty where rows are plain examples.
        predictions: Its label or value.
        probabilities: Of each class, in the order of the contract's classes; None for regression.
        quantiles: Rising; None where the model says none.
        threshold: The chance from which on a binary model says its positive class, where it has one of its own.
        positive: That class.
    """

    rows: tuple[dict[str, Any], ...]
    names: tuple[str, ...] = ()
    predictions: tuple[Label | float, ...]
    probabilities: tuple[tuple[float, ...], ...] | None = None
    quantiles: tuple[tuple[float, ...], ...] | None = None
    threshold: float | None = None
    positive: Label | float | None = None


class Agreement(Frozen):
    """How near served answers are to offline ones.

    Attributes:
        rows: How many were compared.
        difference: The largest gap of two numbers, in units of the offline number where that is beyond 1.
        fault: What no tolerance covers, such as another label or an answer of another form; empty where all is well.
    """

    rows: int
    difference: float = 0.0
    fault: str = ""


def edge_rows(
    example: Mapping[str, Any], numbers: Sequence[str], categories: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Rows that real ones seldom are, made from one that is, by what each tries out.

    Args:
        example: A row with all features, as JSON.
        numbers: Its numeric features.
        categories: Its other features.

    Examples:
        >>> made = edge_rows({"x": 1.5, "day": "mon"}, ["x"], ["day"])
        >>> made["all missing"], made["huge numbers"]
        ({'x': None, 'day': None}, {'x': 1000000000000.0, 'day': 'mon'})
    """
    tried: dict[str, dict[str, Any]] = {"all missing": dict.fromkeys([*numbers, *categories])}
    if numbers:
        sizes = {
            "zeros": 0.0,
            "huge numbers": HUGE,
            "huge negative numbers": -HUGE,
            "tiny numbers": SMALL,
            "numbers beyond single precision": BEYOND_SINGLE,
        }
        tried |= {name: dict.fromkeys(numbers, size) for name, size in sizes.items()}
    if categories:
        texts = {
            "unseen categories": UNSEEN,
            "empty texts": "",
            "long texts": "x" * 2_000,
            "categories as whole numbers": 3,
            "categories as booleans": True,
        }
        tried |= {name: dict.fromkeys(categories, text) for name, text in texts.items()}
    return {name: {**example, **changed} for name, changed in tried.items()}


def compare_answers(offline: Offline, answers: Any, classes: Sequence[Label], tolerance: float) -> Agreement:
    """Hold what a server said of some rows against what the model said offline.

    Labels must be the same, except where the offline probabilities tie within the tolerance.

    Args:
        offline: What is expected.
        answers: The `predictions` of the answer, whatever it is.
        classes: The labels, in the order of the probabilities; empty for regression.
        tolerance: How near a tie is.

    Examples:
        The second row is a tie, and either label of it is right; the third is none.

        >>> said = Offline(rows=({},) * 3, predictions=(1, 1, 1), probabilities=((0.2, 0.8), (0.5, 0.5), (0.3, 0.7)))
        >>> served = [
        ...     {"id": str(row), "prediction": label, "probabilities": {"0": 1 - p, "1": p}}
        ...     for row, (label, p) in enumerate([(1, 0.8), (0, 0.5), (0, 0.75)])
        ... ]
        >>> compare_answers(said, served[:2], (0, 1), 1e-6).fault
        '3 rows were asked and 2 answered'
        >>> told = compare_answers(said, served, (0, 1), 1e-6)
        >>> round(told.difference, 2), told.fault
        (0.05, 'row 2 got 0 where the model says 1')
    """
    count = len(offline.rows)
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        return Agreement(rows=count, fault="the answer holds no list of predictions")
    if len(answers) != count:
        return Agreement(rows=count, fault=f"{count} rows were asked and {len(answers)} answered")
    if len({answer.get("id") for answer in answers} - {None}) != count:
        return Agreement(rows=count, fault="not every prediction has an id of its own")
    largest, fault = 0.0, ""
    for row, answer in enumerate(answers):
        name = f"{offline.names[row]!r}" if offline.names else f"row {row}"
        said, wanted = _numbers_of(answer, classes, offline.quantiles is not None), _numbers(offline, row)
        if len(said) != len(wanted) or not all(_is_number(value) for value in said):
            return Agreement(rows=count, difference=largest, fault=f"{name} got an answer of another form")
        gaps = (abs(a - b) / max(1.0, abs(b)) for a, b in zip(said, wanted, strict=True))
        largest = max(largest, *gaps)
        label = offline.predictions[row]
        if classes and answer.get("prediction") != label and not _tied(offline, row, answer, classes, tolerance):
            fault = fault or f"{name} got {answer.get('prediction')!r} where the model says {label!r}"
    return Agreement(rows=count, difference=largest, fault=fault)


def _numbers(offline: Offline, row: int) -> list[float]:
    if offline.probabilities is not None:
        return [*offline.probabilities[row]]
    beside = [] if offline.quantiles is None else offline.quantiles[row]
    return [float(offline.predictions[row]), *beside]


def _numbers_of(answer: Mapping[str, Any], classes: Sequence[Label], quantiles: bool) -> list[Any]:
    if classes:
        told = answer.get("probabilities")
        return [told.get(str(label)) for label in classes] if isinstance(told, dict) else []
    beside = answer.get("quantiles") if quantiles else {}
    return [answer.get("prediction"), *(beside.values() if isinstance(beside, dict) else [None])]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _tied(offline: Offline, row: int, answer: Mapping[str, Any], classes: Sequence[Label], tolerance: float) -> bool:
    """Whether a label was nearly as good as the one expected; twice the tolerance, for both sides may be off by it."""
    if offline.probabilities is None or answer.get("prediction") not in classes:
        return False
    chances = dict(zip(classes, offline.probabilities[row], strict=True))
    if offline.threshold is not None and offline.positive in chances:
        return abs(chances[offline.positive] - offline.threshold) <= 2 * tolerance  # type: ignore[index]  # a label
    mine, theirs = chances[answer["prediction"]], chances[offline.predictions[row]]  # type: ignore[index]  # a label
    return abs(mine - theirs) <= 2 * tolerance

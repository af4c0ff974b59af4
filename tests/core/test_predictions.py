"""A line is a prediction with exactly the promised fields, or it is broken."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

from prefect_mlops.core.predictions import FIELDS, keys_as_logged, only_answered, parse_predictions
from tests.core.scored_cases import spec_for

GOOD = {
    "prediction_id": "p1",
    "request_id": "r1",
    "row": 0,
    "model": "m",
    "version": 3,
    "slot": "a",
    "arm": "canary",
    "answered": True,
    "predicted_at": "2013-04-01T10:00:00.123456+02:00",
    "key": "k",
    "event_time": None,
    "prediction": "1",
    "score": 0.25,
    "probabilities": "[0.75,0.25]",
    "latency_ms": 2,
    "features": "{}",
}


def line(**changes: object) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_prediction_becomes_typed_columns() -> None:
    rows, broken = parse_predictions([line()])

    assert broken == []
    assert rows.column_names == list(FIELDS)
    assert rows["version"].type == pa.int64()
    assert rows["predicted_at"][0].as_py().isoformat() == "2013-04-01T08:00:00.123456+00:00"


@pytest.mark.parametrize("name", [name for name, kind in FIELDS.items() if kind.endswith("?")])
def test_what_may_be_null_stays_null(name: str) -> None:
    rows, _ = parse_predictions([line(**{name: None})])

    assert rows[name].to_pylist() == [None]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"null",
        b'{"prediction_id": "p1"',
        b"\xff\xfe",
        line(extra=1),
        line(version="3"),
        line(version=True),
        line(version=2**63),
        line(predicted_at="2013-04-01T10:00:00"),
        line(predicted_at="yesterday"),
        line(predicted_at=None),
        line(score="high"),
        line(answered="yes"),
        line(answered=1),
        line(row=0.5),
        line(arm=None) + b"}",
        json.dumps({name: value for name, value in GOOD.items() if name != "arm"}).encode(),
        json.dumps({name: value for name, value in GOOD.items() if name != "slot"}).encode(),
    ],
)
def test_a_broken_line_never_stops_the_others(bad: bytes) -> None:
    rows, broken = parse_predictions([line(), bad, line()])

    assert rows.num_rows == 2
    assert broken == [bad]


def test_a_line_from_before_there_were_attempts_was_an_answer() -> None:
    before = {name: value for name, value in GOOD.items() if name not in ("request_id", "row", "arm", "answered")}

    rows, broken = parse_predictions([json.dumps(before).encode(), line()])

    assert broken == []
    assert rows["answered"].to_pylist() == [True, True]
    assert rows["request_id"].to_pylist() == [None, "r1"]


def test_a_failed_attempt_has_no_prediction() -> None:
    rows, broken = parse_predictions([line(prediction=None, score=None, probabilities=None, answered=False)])

    assert broken == []
    assert rows["prediction"].to_pylist() == [None]


def test_what_nobody_got_is_no_answer() -> None:
    rows, _ = parse_predictions([line(prediction_id="a"), line(prediction_id="b", answered=False)])

    assert only_answered(rows.to_pandas())["prediction_id"].tolist() == ["a"]
    assert len(only_answered(rows.drop_columns("answered").to_pandas())) == 2


def test_a_personal_key_is_told_by_its_stand_in_or_not_at_all() -> None:
    rows = pd.DataFrame({"id": [1.0, 2.0]})
    personal = {"key": ["id"], "personal": ["id"]}
    open_, left_out = spec_for(), spec_for(data=personal)
    hashed = spec_for(data=personal, serving={"personal": "hashed"})

    assert keys_as_logged(rows, open_, b"k").tolist() == ["1", "2"]
    assert keys_as_logged(rows, left_out, b"k").tolist() == ["", ""]
    assert keys_as_logged(rows, hashed).tolist() == ["", ""]
    assert keys_as_logged(rows, hashed, b"Jefe").str.fullmatch("hmac:[0-9a-f]{32}").all()

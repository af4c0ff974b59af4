"""A line is a prediction with exactly the promised fields, or it is broken."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from prefect_mlops.core.predictions import FIELDS, parse_predictions

GOOD = {
    "prediction_id": "p1",
    "model": "m",
    "version": 3,
    "slot": "a",
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
        json.dumps({name: value for name, value in GOOD.items() if name != "slot"}).encode(),
    ],
)
def test_a_broken_line_never_stops_the_others(bad: bytes) -> None:
    rows, broken = parse_predictions([line(), bad, line()])

    assert rows.num_rows == 2
    assert broken == [bad]

"""Callers of the served model: whole months in batches, and single requests while a canary is judged."""

import json
import time
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Caller"]

JSON = {"content-type": "application/json"}


class Caller:
    """Sends rows to a model behind the gateway and counts what it got.

    Args:
        url: The model's address behind the gateway.
        columns: What a request holds: features, key and time.
    """

    def __init__(self, url: str, columns: list[str]) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._columns = columns
        self.sent = 0
        self.failed = 0

    def send(self, rows: "pd.DataFrame", size: int = 500) -> None:
        """Send all rows, `size` of them a request."""
        for start in range(0, len(rows), size):
            self._post(rows.iloc[start : start + size])

    def trickle(self, rows: "pd.DataFrame", seconds: float) -> None:
        """Send single rows, one after another, for some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._post(rows.iloc[[self.sent % len(rows)]])

    def one(self, rows: "pd.DataFrame") -> dict[str, object]:
        """The whole answer to the first row."""
        answer = self._client.post("/predict", content=self._body(rows.head(1)), headers=JSON)
        answer.raise_for_status()
        said: dict[str, object] = answer.json()
        return said

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _body(self, rows: "pd.DataFrame") -> str:
        records = rows[self._columns].to_json(orient="records", date_format="iso")
        return f'{{"rows": {records}}}'

    def _post(self, rows: "pd.DataFrame") -> None:
        self.sent += 1
        try:
            answer = self._client.post(
                "/predict", content=self._body(rows), headers={"content-type": "application/json"}
            )
            self.failed += answer.status_code != 200 or len(answer.json()["predictions"]) != len(rows)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            self.failed += 1

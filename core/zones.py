"""Times that were written without a zone, given the one that the spec says they are in."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.rowfiles import ISO_WITH_ZONE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["in_zone", "require_zone"]

ISO_WITHOUT_ZONE = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?"


def require_zone(name: str) -> str:
    """The name of a zone, if there is one of that name.

    Raises:
        ValueError: There is none.

    Examples:
        >>> require_zone("Europe/Berlin")
        'Europe/Berlin'
        >>> require_zone("Europe/Berln")
        Traceback (most recent call last):
        ValueError: there is no time zone 'Europe/Berln' (did you mean Europe/Berlin?)
    """
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "one is Europe/Berlin, another UTC"
        raise ValueError(f"there is no time zone {name!r} ({hint})") from None
    return name


def in_zone(rows: pd.DataFrame, time: str | None, zone: str | None, batch: str) -> pd.DataFrame:
    """Give times without a zone the one that they are in; rows that need nothing come back as they are.

    That are columns of naive timestamps, and the time column where it is text in ISO 8601; values in it that say their
    own offset keep it. A date alone is its midnight.

    Args:
        rows: A batch.
        time: The column that says when a row happened.
        zone: By its IANA name, such as `Europe/Berlin`; None leaves everything as it is.
        batch: Its name, for messages.

    Raises:
        DataError: Clocks were changed, so that a time is there twice or not at all in that zone.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"at": ["2013-07-01 12:00", "2013-07-01 12:00Z"]})
        >>> in_zone(rows, "at", "Europe/Berlin", "rows.csv")["at"].dt.hour.tolist()
        [10, 12]
    """
    if zone is None:
        return rows
    import pandas as pd

    try:
        require_zone(zone)
    except ValueError as error:
        raise DataError(
            f"The times of batch {batch!r} cannot be placed: {error}", "Name a zone that there is"
        ) from None

    naive = list(rows.select_dtypes("datetime").columns)
    told = {name: _placed(rows[name], zone, str(name), batch) for name in naive}
    if time is not None and time in rows.columns and pd.api.types.is_string_dtype(rows[time].dropna()):
        texts = rows[time].astype("object")
        known = texts.dropna()
        if len(known) and all(re.fullmatch(f"{ISO_WITHOUT_ZONE}|{ISO_WITH_ZONE}", text) for text in known):
            told[time] = _read(texts, zone, time, batch)
    return rows.assign(**told) if told else rows


def _read(texts: pd.Series, zone: str, name: str, batch: str) -> pd.Series:
    import pandas as pd

    own = texts.map(lambda text: isinstance(text, str) and re.fullmatch(ISO_WITH_ZONE, text) is not None)
    try:
        local, sure = pd.to_datetime(texts[~own], format="ISO8601"), pd.to_datetime(texts[own], utc=True)
    except ValueError:  # the thirteenth month stays text, which is refused with its column
        return texts
    placed = _placed(local, zone, name, batch)
    moments: pd.Series = placed.reindex(texts.index).fillna(sure.astype(placed.dtype).reindex(texts.index))
    return moments


def _placed(moments: pd.Series, zone: str, name: str, batch: str) -> pd.Series:
    placed: pd.Series = moments.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.as_unit("us")
    unclear = int((placed.isna() & moments.notna()).sum())
    if unclear:
        what = f"Batch {batch!r} has {unclear:,} times in {name!r} that {zone} has twice or not at all: clocks changed"
        raise DataError(what, "Write these with their offset, such as 2013-10-27T02:30:00+02:00")
    utc: pd.Series = placed.dt.tz_convert("UTC")
    return utc

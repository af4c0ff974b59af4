"""Times that were written without a zone, given the one that the spec says they are in."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.rowfiles import ISO_WITH_ZONE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["UNCLEAR", "Placed", "in_zone", "place_in_zone", "require_zone"]

UNCLEAR = "is there twice or not at all in {}, where clocks were changed"
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


class Placed(NamedTuple):
    """Rows whose times all have a zone.

    Attributes:
        rows: Them; what is unclear is taken for the earlier time that it may be, or the next that there is.
        unclear: Which rows hold a time that is there twice or not at all, since clocks were changed, from 0.
        told: The rows again, with what is unclear as it came and its zone, which nobody takes for a time.
    """

    rows: pd.DataFrame
    unclear: np.ndarray
    told: pd.DataFrame


def place_in_zone(rows: pd.DataFrame, time: str | None, zone: str | None, batch: str) -> Placed:
    """Give times without a zone the one that they are in; rows that need nothing come back as they are.

    That are columns of naive timestamps, and the time column where it is text in ISO 8601; values in it that say their
    own offset keep it. A date alone is its midnight.

    Args:
        rows: A batch.
        time: The column that says when a row happened.
        zone: By its IANA name, such as `Europe/Berlin`; None leaves everything as it is.
        batch: Its name, for messages.

    Raises:
        DataError: There is no such zone.
    """
    import numpy as np
    import pandas as pd

    unclear = pd.Series(data=False, index=rows.index)
    if zone is None:
        return Placed(rows, np.flatnonzero(unclear), rows)
    try:
        require_zone(zone)
    except ValueError as error:
        raise DataError(
            f"The times of batch {batch!r} cannot be placed: {error}", "Name a zone that there is"
        ) from None
    naive = {str(name): rows[name] for name in rows.select_dtypes("datetime")}
    own: dict[str, pd.Series] = {}
    if time is not None and time in rows.columns and (read := _read(rows[time])) is not None:
        naive[time], own[time] = read
    placed, told = {}, {}
    for name, moments in naive.items():
        sure = moments.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        guess = moments.dt.tz_localize(zone, ambiguous=np.ones(len(moments), dtype=bool), nonexistent="shift_forward")
        utc = guess.dt.as_unit("us").dt.tz_convert("UTC")
        placed[name] = utc.fillna(own[name]) if name in own else utc
        doubtful = sure.isna() & moments.notna()
        told[name] = placed[name].astype("object").mask(doubtful, rows[name].astype("str") + f" {zone}")
        unclear |= doubtful
    found = rows.assign(**placed) if placed else rows
    return Placed(found, np.flatnonzero(unclear), rows.assign(**told) if unclear.any() else found)


def in_zone(rows: pd.DataFrame, time: str | None, zone: str | None, batch: str) -> pd.DataFrame:
    """The rows as `place_in_zone` gives them, where all are clear.

    Raises:
        DataError: A time is there twice or not at all in that zone, since clocks were changed.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"at": ["2013-07-01 12:00", "2013-07-01 12:00Z"]})
        >>> in_zone(rows, "at", "Europe/Berlin", "rows.csv")["at"].dt.hour.tolist()
        [10, 12]
    """
    placed = place_in_zone(rows, time, zone, batch)
    if len(placed.unclear):
        what = f"Batch {batch!r} has {len(placed.unclear):,} rows with a time that {UNCLEAR.format(zone)}"
        raise DataError(
            what, "Write these times with their offset, such as 2013-10-27T02:30:00+02:00, or leave them out"
        )
    return placed.rows


def _read(column: pd.Series) -> tuple[pd.Series, pd.Series] | None:
    """Local times, and in the other rows those with an offset of their own; None where it holds other things."""
    import pandas as pd

    known = column.dropna()
    if not (len(known) and pd.api.types.is_string_dtype(known)):
        return None
    if not all(re.fullmatch(f"{ISO_WITHOUT_ZONE}|{ISO_WITH_ZONE}", text) for text in known):
        return None
    own = known.map(lambda text: re.fullmatch(ISO_WITH_ZONE, text) is not None).astype(bool)
    try:
        local = pd.to_datetime(known[~own], format="ISO8601").dt.as_unit("us")
        sure = pd.to_datetime(known[own], format="ISO8601", utc=True).dt.as_unit("us")
    except ValueError:  # the thirteenth month stays text, which is refused with its column
        return None
    return local.reindex(column.index), sure.reindex(column.index)

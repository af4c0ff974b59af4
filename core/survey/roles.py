"""Which part each column plays, told from its values and its name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import pandas as pd

from prefect_mlops.core.survey.records import Column, Role

__all__ = ["column_roles", "find_key", "looks_planned"]

ID_WORDS = {"id", "key", "uuid", "guid", "no", "nr", "number", "index", "instant", "rownum", "row"}
PLANNED = {"sched", "scheduled", "plan", "planned", "due", "expected", "deadline", "expiry", "promised"}
PERSONAL = {
    *("email", "mail", "phone", "mobile", "ssn", "passport", "iban", "surname", "firstname", "lastname", "fullname"),
    *("birthdate", "birthday", "dob", "street", "address", "username", "ip"),
}
PERSONAL_PHRASES = ("first_name", "last_name", "full_name", "date_of_birth", "birth_date", "credit_card", "social_sec")
EMAIL = r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}"
PHONE = r"\+?[\d\s().-]{9,20}"
LOOKED_AT = 2_000
ALMOST_ALL = 0.95
LONG_WORDS = 3.0
"""Words in a mean value from which on a column is text."""


def column_roles(rows: pd.DataFrame, target: str, time: str | None, key: Sequence[str]) -> tuple[Column, ...]:
    """The part of every column, before anything is known about leaks.

    Args:
        rows: The table, rows without a target left out.
        target: The column to predict.
        time: The column that says when a row happened.
        key: The columns that name a row.

    Examples:
        >>> rows = pd.DataFrame({"user_id": range(90), "age": [30, 40, 50] * 30, "town": ["Bonn", "Köln", "Ulm"] * 30})
        >>> [column.role for column in column_roles(rows.assign(y=[0, 1, 0] * 30), "y", None, ["user_id"])]
        ['key', 'numeric', 'category', 'target']
    """
    first: dict[int, str] = {}
    return tuple(_column(rows[name], name, target, time, key, rows, first) for name in rows.columns)


def find_key(rows: pd.DataFrame, target: str, time: str | None) -> tuple[str, ...]:
    """The columns that name a row: an identifier without repetition, else the time, alone or with another; or none."""
    candidates = [name for name in rows.columns if name != target and not name.startswith("Unnamed: ")]
    names = [name for name in candidates if rows[name].notna().all()]
    alone = [name for name in names if _is_unique(rows, [name])]
    for name in alone:
        if _words(name) & ID_WORDS:
            return (name,)
    for name in alone:
        if not pd.api.types.is_float_dtype(rows[name].dtype) and _counts_up(rows[name]):
            return (name,)
    texts = [name for name in alone if _is_text(rows[name]) and not _reads_like_prose(rows[name])]
    if texts:
        return (texts[0],)
    if time in alone:
        return (time,)
    named = [name for name in names if _words(name) & ID_WORDS]
    for wanted in ([time, name] for name in named if time and time != name):
        if _is_unique(rows, wanted):
            return tuple(wanted)
    return ()


def looks_planned(name: str) -> bool:
    """Whether a column of times is known beforehand, as its name says.

    Examples:
        >>> looks_planned("sched_arr_time"), looks_planned("arr_time")
        (True, False)
    """
    return bool(_words(name) & PLANNED)


def _column(
    column: pd.Series,
    name: str,
    target: str,
    time: str | None,
    key: Sequence[str],
    rows: pd.DataFrame,
    first: dict[int, str],
) -> Column:
    given: dict[str | None, tuple[Role, str]] = {
        **dict.fromkeys(key, ("key", "names a row")),
        time: ("time", "when a row happened and a prediction is made"),
        target: ("target", "what is predicted"),
    }
    if name in given:
        return Column(name=name, role=given[name][0], reason=given[name][1])
    told = next(_says_personal(column, name), "")
    if told:
        return Column(name=name, role="personal", reason=told)
    if re.fullmatch(r"Unnamed: \d+", name):
        return Column(name=name, role="useless", reason="the index of a table that was written with it")
    useless = next(_teaches_nothing(column, name, rows, first), "")
    if useless:
        return Column(name=name, role="useless", reason=useless)
    role, reason = _by_values(column.dropna(), name)
    return Column(name=name, role=role, reason=reason)


def _teaches_nothing(column: pd.Series, name: str, rows: pd.DataFrame, first: dict[int, str]) -> Iterator[str]:
    known = column.dropna()
    if known.empty:
        yield "no row has a value"
        return
    if known.head(LOOKED_AT).map(lambda value: isinstance(value, Collection) and not isinstance(value, str)).any():
        yield "it holds lists or mappings; derive columns from them"
        return
    if pd.api.types.is_datetime64_any_dtype(known.dtype):
        yield "a time; derive numbers such as the hour or the days until then"
    if known.nunique() == 1:
        yield "every row has the same value"
    mark = hash(tuple(pd.util.hash_pandas_object(column.head(LOOKED_AT), index=False)))
    twin = first.setdefault(mark, name)
    if twin != name and column.equals(rows[twin].rename(name)):
        yield f"it equals {twin} in every row"


def _by_values(known: pd.Series, name: str) -> tuple[Role, str]:
    different = known.nunique()
    share = different / len(known)
    if pd.api.types.is_bool_dtype(known.dtype) or {type(value) for value in known.head(LOOKED_AT)} == {bool}:
        return "category", "true or false"
    if pd.api.types.is_numeric_dtype(known.dtype):
        named = bool(_words(name) & ID_WORDS) and share > 0.5
        if not pd.api.types.is_float_dtype(known.dtype) and (named or (share == 1 and _counts_up(known))):
            return "identifier", f"{different:,} different whole numbers, no amount"
        return "numeric", f"{different:,} different numbers"
    return _by_texts(known, different, share)


def _by_texts(known: pd.Series, different: int, share: float) -> tuple[Role, str]:
    if not _is_text(known):
        return "useless", f"values of type {type(known.iloc[0]).__name__}"
    if _reads_like_prose(known) and share > 0.2:
        return "text", "prose; derive numbers or categories to learn from it"
    if share > ALMOST_ALL and len(known) >= 50:
        return "identifier", f"{different:,} different texts in {len(known):,} rows"
    return "category", f"{different:,} different texts"


def _says_personal(column: pd.Series, name: str) -> Iterator[str]:
    joined = "_".join(re.findall(r"[a-z]+", _snake(name)))
    if _words(name) & PERSONAL or any(phrase in joined for phrase in PERSONAL_PHRASES):
        yield "its name says that it tells who somebody is"
    if _is_text(column):
        seen = column.dropna().head(LOOKED_AT).astype(str)
        for pattern, what in ((EMAIL, "addresses of mail"), (PHONE, "phone numbers")):
            hits = seen.str.fullmatch(pattern)
            if pattern == PHONE:
                hits &= seen.str.count(r"\d") >= 9
                hits &= seen.str.contains(r"^\+|[\s()]")
            if len(seen) and hits.mean() > 0.8:
                yield f"it holds {what}"


def _is_text(column: pd.Series) -> bool:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return True
    texts = pd.api.types.is_string_dtype(kind) or pd.api.types.is_object_dtype(kind)
    return bool(texts and column.dropna().head(LOOKED_AT).map(lambda value: isinstance(value, str)).all())


def _reads_like_prose(column: pd.Series) -> bool:
    seen = column.dropna().head(LOOKED_AT).astype(str)
    return bool(len(seen) and seen.map(lambda text: len(text.split())).mean() > LONG_WORDS)


def _counts_up(column: pd.Series) -> bool:
    if not pd.api.types.is_integer_dtype(column.dtype):
        return False
    return bool(int(column.max()) - int(column.min()) + 1 <= 1.05 * len(column))


def _is_unique(rows: pd.DataFrame, names: Sequence[str]) -> bool:
    try:
        return not rows.duplicated(list(names)).any() and bool(rows[list(names)].notna().all(axis=None))
    except TypeError:
        return False


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).lower()


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", _snake(name)))

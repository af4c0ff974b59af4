"""Stand-ins for personal values match like the values and say nothing of them."""

import hashlib
import hmac

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.privacy import pseudonymise


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=20))
def test_equal_values_have_equal_stand_ins_and_others_others(values: list[str | None]) -> None:
    found = pseudonymise(pd.Series(values, dtype=object), b"key").tolist()

    for value, stand_in in zip(values, found, strict=True):
        assert (value is None) == (stand_in is None)
    known = [(value, stand_in) for value, stand_in in zip(values, found, strict=True) if value is not None]
    assert len(dict(known)) == len({stand_in for _, stand_in in known})


def test_it_is_hmac_of_the_text_and_depends_on_the_key() -> None:
    told = hmac.new(b"key", b"ada@example.com", hashlib.sha256).hexdigest()

    assert pseudonymise(pd.Series(["ada@example.com"]), b"key")[0] == f"hmac:{told[:32]}"
    assert pseudonymise(pd.Series(["ada@example.com"]), b"other")[0] != f"hmac:{told[:32]}"


def test_a_whole_number_matches_itself_where_nulls_made_it_a_float() -> None:
    whole, mixed = pd.Series([7, 8]), pd.Series([7.0, None])

    assert pseudonymise(whole, b"k")[0] == pseudonymise(mixed, b"k")[0]

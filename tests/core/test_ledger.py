"""A chain of records tells of every change to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError, LedgerBroken
from prefect_mlops.core.ledger import GENESIS, Record, canonical, seal, verify


def chain(length: int) -> list[Record]:
    records: list[Record] = []
    for number in range(1, length + 1):
        fields = dict.fromkeys(("at", "model", "stage", "as_of", "actor"), "x") | {
            "subject": str(number),
            "key": f"k{number}",
            "body": {"n": number, "nested": {"list": [1.5, None, "é"]}},
        }
        records.append(seal(fields, sequence=number, previous=records[-1].digest if records else GENESIS))
    return records


def test_an_untouched_chain_holds() -> None:
    verify(chain(5))


def test_an_empty_chain_holds() -> None:
    verify([])


@pytest.mark.parametrize("field", ["at", "model", "stage", "subject", "as_of", "actor", "key"])
def test_a_changed_field_is_found(field: str) -> None:
    records = chain(3)
    records[1] = records[1].model_copy(update={field: "other"})

    with pytest.raises(LedgerBroken) as caught:
        verify(records)

    assert caught.value.sequence == 2


def test_a_changed_body_is_found_even_when_it_is_sealed_again() -> None:
    records = chain(3)
    fields = records[1].model_dump(exclude={"digest", "sequence", "previous"}) | {"body": {"n": 99}}
    records[1] = seal(fields, sequence=2, previous=records[0].digest)

    with pytest.raises(LedgerBroken, match="record 3"):
        verify(records)


@pytest.mark.parametrize("gone", [0, 1])
def test_a_removed_record_is_found(gone: int) -> None:
    records = chain(3)
    del records[gone]

    with pytest.raises(LedgerBroken):
        verify(records)


def test_a_record_put_in_later_is_found() -> None:
    records = chain(3)
    records.insert(1, records[1])

    with pytest.raises(LedgerBroken):
        verify(records)


def test_moved_records_are_found() -> None:
    records = chain(4)
    records[1], records[2] = records[2], records[1]

    with pytest.raises(LedgerBroken):
        verify(records)


def test_a_missing_end_is_found_by_who_remembers_it() -> None:
    records = chain(3)
    head = (3, records[-1].digest)

    verify(records, head=head)
    verify(records[:2])
    with pytest.raises(LedgerBroken, match="ends at record 2"):
        verify(records[:2], head=head)


def test_a_record_survives_json() -> None:
    record = chain(1)[0]

    verify([Record.model_validate_json(record.model_dump_json())])


facts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=3), facts, max_size=4))
def test_equal_facts_have_one_text_in_any_order(body: dict[str, Any]) -> None:
    turned = dict(reversed(list(body.items())))

    assert canonical(turned) == canonical(body)


def test_a_fact_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(DataError, match=r"'body.when\[0\]', a object"):
        canonical({"body": {"when": [object()]}})

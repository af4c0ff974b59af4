"""The personal key is made once, kept where only its owner reads it, and never shown."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr, ValidationError

from prefect_mlops.blocks import PersonalKey, Places


def test_the_key_of_a_home_is_made_once_also_by_many_at_a_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as many:
        keys = list(many.map(lambda _: PersonalKey.kept_in(tmp_path / "k" / "personal.key"), range(16)))

    assert len({key.key.get_secret_value() for key in keys}) == 1
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["personal.key"]
    assert stat.S_IMODE((tmp_path / "k" / "personal.key").stat().st_mode) == 0o600


def test_a_place_on_this_machine_has_a_key_of_its_own(tmp_path: Path) -> None:
    one, again, other = (Places.local(tmp_path / name).personal for name in ("a", "a", "b"))
    values = pd.Series(["ada@example.com", None])

    assert one.pseudonymise(values)[0] == again.pseudonymise(values)[0] != other.pseudonymise(values)[0]
    assert one.pseudonymise(values)[1] is None


def test_a_short_key_is_refused_and_no_key_is_printed() -> None:
    with pytest.raises(ValidationError, match="16"):
        PersonalKey(key=SecretStr("short"))

    assert "0123456789abcdef" not in repr(PersonalKey(key=SecretStr("0123456789abcdef")))

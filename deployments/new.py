"""Writes the first spec of a new model: from a table of its rows, or as a template with a comment on every choice."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.names import require_model_name
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.deployments.sync import require_room, write_project

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec, Suite
    from prefect_mlops.core.survey.choosing import Choice
    from prefect_mlops.core.survey.records import Role, Survey

__all__ = ["data_of", "draft_from_data", "write_new"]

TEMPLATE = Path(__file__).parent / "new-spec.yaml"
REASONS = 110
"""Characters of a comment in a line."""


def write_new(name: str, project: Path) -> tuple[Path, Path]:
    """Write `specs/NAME.yaml` and `prefect.yaml` into a project.

    Args:
        name: The model's name.
        project: The folder; made when it is missing.

    Returns:
        The two files.

    Raises:
        DataError: The name is not allowed, or the spec is there already; nothing was written.
    """
    path = _spec_path(name, project)
    text = TEMPLATE.read_text().replace("NAME", name)
    parse_spec(text, str(TEMPLATE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path, write_project(project)


def draft_from_data(
    name: str,
    project: Path,
    data: Path,
    target: str,
    time: str = "",
    key: Sequence[str] = (),
    later: Sequence[str] = (),
    timezone: str = "",
) -> tuple[str, ...]:
    """Look at a table, and write a spec to review, the rows it is about, and `prefect.yaml`.

    Args:
        name: The model's name.
        project: The folder; made when it is missing.
        data: CSV, Parquet or JSON lines.
        target: The column to predict.
        time: The column that says when a row happened.
        key: Columns that name a row; looked for when empty.
        later: Columns known only after a prediction is made.
        timezone: Of times that come without one.

    Returns:
        What was found and written, a line each.

    Raises:
        NotFound: The file is not there.
        DataError: The name is not allowed, the spec is there already, or the rows cannot be learned from; nothing was
            written.
    """
    from prefect_mlops.core.acceptance import require_rows
    from prefect_mlops.core.batches import as_columns
    from prefect_mlops.core.rowfiles import read_rows
    from prefect_mlops.core.specwriting import write_spec
    from prefect_mlops.core.survey.choosing import choose_trainer, trainers_for
    from prefect_mlops.core.survey.drafting import draft_spec, named_rows
    from prefect_mlops.core.survey.gating import choose_gates
    from prefect_mlops.core.survey.surveying import survey_rows
    from prefect_mlops.core.zones import in_zone

    path, kept = _spec_path(name, project), data_of(name, project)
    if not data.is_file():
        raise NotFound("file", str(data), "Correct the path")
    if kept.exists():
        raise DataError(f"{kept} is there already", "Move it away, or choose another name; the drafted rows go there")
    table = in_zone(read_rows(data.read_bytes(), data.name), time or None, timezone or None, data.name)
    survey = survey_rows(table, target, time=time or None, key=key, later=later)
    rows = named_rows(table, survey)
    rows = rows.drop(columns=[column for column in rows.columns if rows[column].isna().all()])  # of no type
    first = draft_spec(survey, rows, name, trainers_for(survey.problem, len(rows))[0], timezone=timezone or None)
    require_rows(first, rows, data.name, datetime.now(UTC))
    as_columns(rows, data.name)
    choice = choose_trainer(first, rows)
    suite, reasons = _suite(first, rows)
    spec = first.model_copy(update={"trainer": choice.trainer, "suite": suite})
    gates, aside = choose_gates(spec, rows)
    if gates:
        spec = spec.model_copy(update={"gates": tuple(one.gate for one in gates)})
    require_room(project, spec)
    why = [one.reason for one in gates]
    text = write_spec(spec, _head(spec, survey, data), _comments(survey, choice, aside), reasons, why)

    stored = io.BytesIO()
    rows.to_parquet(stored, index=False)
    _write_whole(kept, stored.getvalue())
    _write_whole(path, text.encode())
    made = write_project(project)
    return (*_told(survey, choice), *aside, *(f"wrote {written}" for written in (path, kept, made)))


def data_of(name: str, project: Path) -> Path:
    """Where the rows lie that `prefect-mlops new NAME --data ...` drafted a spec from."""
    return project / "data" / f"{name}.parquet"


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def _spec_path(name: str, project: Path) -> Path:
    require_model_name(name)
    path = project / "specs" / f"{name}.yaml"
    if path.exists():
        raise DataError(f"{path} is there already", "Choose another name, or edit that file")
    return path


def _suite(spec: "ModelSpec", rows: "pd.DataFrame") -> tuple["Suite", tuple[str, ...]]:
    """What rows must look like, as far as this table itself passes it; little where it is too short to tell."""
    from prefect_mlops.core.spec import Expectation, Suite
    from prefect_mlops.core.suites.propose import propose_suite
    from prefect_mlops.tasks import validate_data

    key = list(spec.data.key)
    one = {"column": key[0]} if len(key) == 1 else {"column_list": key}
    unique = "expect_column_values_to_be_unique" if len(key) == 1 else "expect_compound_columns_to_be_unique"
    least = (Expectation(type=unique, kwargs=one, meta={}),)
    try:
        proposal = propose_suite(rows, key=key, personal=spec.data.personal)
    except DataError:
        return Suite(expectations=least), ("Too few rows to say more.",)
    # A bound on a part of the table, such as the number of different values, need not hold for the whole.
    passed = validate_data.fn(rows, proposal.suite, spec.data.personal).results
    kept = [number for number, result in enumerate(passed) if result.success]
    pairs = [(proposal.suite.expectations[number], proposal.reasons[number]) for number in kept]
    return Suite(expectations=tuple(each for each, _ in pairs)), tuple(reason for _, reason in pairs)


def _head(spec: "ModelSpec", survey: "Survey", data: Path) -> list[str]:
    return [
        f"What {spec.name} must be, drafted from {survey.rows:,} rows of {data.name}. Review every part of it:",
        "`prefect-mlops check` says what is wrong, `prefect-mlops try` runs it once on this machine.",
        *survey.notes,
    ]


def _comments(survey: "Survey", choice: "Choice", gates: Sequence[str]) -> dict[str, list[str]]:
    aside = [
        f"{column.name}: {column.role}, {column.reason}."
        for column in survey.columns
        if column.role in ("identifier", "text", "useless", "personal", "leak", "later")
    ]
    strong = [f"Suspect: {', '.join(leak.columns)}: {leak.reason}" for leak in survey.leaks if not leak.left_out]
    scores = ", ".join(f"{name} {value:.4g}" for name, value in choice.scores.items())
    made = "" if survey.key else " No columns name a row: row_id is a digest of all its values."
    found = {
        "purpose": ["", "For the people who must decide about the model."],
        "data": ["", f"Who a row is, and when.{made}"],
        "features": ["", "Left out:" if aside else "Every column is a feature.", *aside, *strong],
        "split": ["", "Which rows judge; nobody learns from them."],
        "suite": ["", "What rows must look like; a failure blocks the batch unless its action says otherwise."],
        "trainer": ["", f"The best of these by {choice.metric}, out of fold: {scores}."],
        "gates": [
            "",
            "Proofs must all pass, too few rows to tell is `undecided`; alarms and limits must not fail.",
            *gates,
        ],
        "monitors": ["", "What is looked at every day once it serves."],
    }
    return {name: _folded(lines) for name, lines in found.items()}


def _folded(lines: Sequence[str]) -> list[str]:
    import textwrap

    return [part for line in lines for part in (textwrap.wrap(line, REASONS) or [""])]


def _told(survey: "Survey", choice: "Choice") -> list[str]:
    said = f", positive is {survey.positive!r}" if survey.positive is not None else ""
    lines = [f"{survey.rows:,} rows; {survey.target} is a {survey.problem} problem{said}."]
    roles: tuple[Role, ...] = ("numeric", "category", "text", "identifier", "personal", "useless")
    lines += [f"{role}: {', '.join(names)}" for role in roles if (names := survey.named(role))]
    for leak in survey.leaks:
        word = "leak" if leak.certain else "suspect"
        done = "left out" if leak.left_out else "kept"
        lines.append(f"{word} ({done}): {', '.join(leak.columns)}: {leak.reason}")
    scores = ", ".join(f"{name} {value:.4g}" for name, value in choice.scores.items())
    return [*lines, *survey.notes, f"trainer: {choice.trainer.estimator} ({choice.metric} out of fold: {scores})"]

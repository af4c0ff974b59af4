"""Reading specs: every spec of ours, every kind of mistake, and nothing but a spec or a SpecError whatever the text."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import SpecError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec, parse_spec
from prefect_mlops.core.yamltext import UnreadableError, read_yaml

SPECS = sorted((Path(__file__).parents[2] / "deployments" / "specs").glob("*.yaml"))
GOOD = """\
spec_version: 1
name: flights-late
purpose: {decision: Which flights to call, business_metric: missed connections, owner: operations}
data: {key: [flight_id], time: time_hour, labels: later}
target: {column: late, problem: binary, positive: true}
features: {numeric: [distance, temp], category: [carrier]}
split: {kind: by-time, judge_days: 10}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression, parameters: {C: 1e-3}}
gates:
  - {kind: at-least, metric: roc_auc, bound: 0.6, on: point}
"""


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, source="spec.yaml")
    return {problem.key: f"{problem.message} {problem.cure}".strip() for problem in caught.value.problems}


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


SUITE = """\
suite:
  expectations:
    - {type: expect_column_to_exist, kwargs: {column: late}, meta: {action: block}}
"""


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_each_spec_of_ours_is_valid_and_named_after_its_file(path: Path) -> None:
    assert load_spec(path).name == path.stem


def test_words_that_yaml_1_1_would_change_stay_as_written() -> None:
    spec = parse_spec(GOOD)

    assert spec.gates[0].model_dump()["on"] == "point"
    assert spec.trainer.model_dump()["parameters"] == {"C": 0.001}


def test_a_spec_written_as_json_means_the_same() -> None:
    spec = parse_spec(GOOD)

    assert parse_spec(spec.model_dump_json()).digest == spec.digest


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (replaced("spec_version: 1", "spec_version: 2"), "spec_version (line 1)", "must be 1, found 2"),
        (replaced("name: flights-late", "name: Flights_Late"), "name (line 2)", "Lower case, digits and '-'"),
        (replaced("business_metric", "busines_metric"), "purpose.busines_metric (line 3)", "mean business_metric?"),
        (replaced(", owner: operations", ""), "purpose.owner (line 3)", "is missing. Who answers for it"),
        (replaced("labels: later", "labels: late"), "data.labels (line 4)", "'with-rows' or 'later', found \"late\""),
        (replaced("problem: binary", "problem: binry"), "target.problem (line 5)", "Did you mean binary?"),
        (replaced("positive: true", "positive: [1]"), "target.positive (line 5)", "text, a number, true or false"),
        (replaced("numeric: [distance, temp]", "numeric: distance"), "features.numeric (line 6)", "such as [a, b]"),
        (replaced("kind: by-time", "kind: by-tme"), "split.kind (line 7)", "Did you mean by-time? Known kinds:"),
        (replaced("kind: by-time, ", ""), "split.kind (line 7)", "is missing. Known kinds"),
        (replaced("judge_days: 10", "judge_days: ten"), "split.judge_days (line 7)", 'whole number, found "ten"'),
        (replaced("judge_days: 10", "judge_days: 0"), "split.judge_days (line 7)", "greater than 0, found 0"),
        (replaced("kind: sklearn", "kind: 'acme.trainers:'"), "trainer.kind (line 8)", "Write package.module:Class"),
        (replaced("kind: at-least", "kind: at-lest"), "gates[0].kind (line 10)", "Did you mean at-least?"),
        (replaced("metric: roc_auc", "metrc: roc_auc"), "gates[0].metrc (line 10)", "Did you mean metric?"),
        (GOOD.partition("  - {")[0] + "  []", "gates (line 9)", "at least 1 entry"),
        (GOOD + "positive: true\n", "positive (line 11)", "It belongs under target."),
        (GOOD + "seeed: 1\n", "seeed (line 11)", "Did you mean seed?"),
        (GOOD + "retraining:\n", "retraining (line 11)", "must be a mapping, found null"),
        (GOOD + "rollout: {steps: [50, 10]}\n", "rollout (line 11)", "steps must rise"),
        (GOOD + "monitors: {kind: drift}\n", "monitors (line 11)", "list such as [a, b]"),
        (replaced("[distance, temp]", "[distance, late]"), "features (line 6)", "the target 'late' cannot be"),
        (replaced("labels: later", "labels: later, personal: [late]"), "data (line 4)", "late cannot be personal"),
        (GOOD + SUITE.replace("block", "blok"), "suite.expectations[0].meta (line 13)", "must be block, quarantine"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place_and_its_cure(text: str, key: str, said: str) -> None:
    found = problems_of(text)

    assert said in found[key]
    if "busines" not in text and "metrc" not in text:
        assert list(found) == [key]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines() -> None:
    text = (
        GOOD.replace("labels: later", "labels: late").replace("kind: by-time", "kind: by-tme").replace("roc_auc", "7")
    )

    assert list(problems_of(text)) == ["data.labels (line 4)", "split.kind (line 7)", "gates[0].metric (line 10)"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("- a\n- b\n", 'it holds ["a", "b"]'),
        (GOOD + "seed: 1\nseed: 2\n", "'seed' stands here a second time"),
        (GOOD + "---\n" + GOOD, "a second document begins here"),
        (GOOD + "a: &x 1\nb: *x\n", "aliases such as *name are not read"),
        (GOOD + "seed: !!python/object:os.system 1\n", "is not read"),
        (GOOD + "seed: .nan\n", ".nan is not a finite number"),
        (GOOD + "seed: 1e999\n", "1e999 is not a finite number"),
        (GOOD + "suite: {a: b: c}\n", "this is not YAML"),
        (GOOD + "seed: 'it's'\n", "this is not YAML"),
        ("\tname: x", "this is not YAML"),
        ("a: \x00", "this is not YAML"),
        ("[" * 100, "nested deeper"),
    ],
)
def test_text_that_is_no_spec_is_refused_by_its_line(text: str, said: str) -> None:
    (message,) = problems_of(text).values()

    assert said in message


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"nowhere\.yaml is not a valid model spec:\n  - file: it cannot be read: No such file"
    ):
        load_spec(tmp_path / "nowhere.yaml")


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"name: \xff\xfe")

    with pytest.raises(SpecError, match="it is not UTF-8 text"):
        load_spec(path)


tokens = st.sampled_from(
    [
        "spec_version",
        "name",
        "gates",
        "kind",
        "at-least",
        "custom",
        "a:b",
        "metric",
        "data",
        "key",
        "positive",
        "bool",
        1,
        0.5,
        True,
    ]
)
scalars = st.one_of(tokens, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(tokens, st.text(max_size=4)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.one_of(st.text(), st.text(alphabet="abk:-[]{}#&*!|>'\"%@\n \t0.1", max_size=60)))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_spec_or_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)

    assert str(caught.value)


@given(st.sampled_from(sorted(ModelSpec.model_fields)), trees)
@settings(max_examples=300, deadline=None)
def test_any_value_under_any_key_gives_a_spec_or_a_spec_error(key: str, value: object) -> None:
    content = {**yaml.safe_load(GOOD.replace("on: point", "'on': point")), key: value}
    try:
        spec = parse_spec(yaml.safe_dump(content))
    except SpecError:
        return

    assert ModelSpec.model_validate_json(spec.model_dump_json()).digest == spec.digest


json_trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


@given(json_trees)
@settings(max_examples=200, deadline=None)
def test_what_pyyaml_writes_is_read_back_unchanged(value: object) -> None:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # the signature is PyYAML's
            return True

    assert read_yaml(yaml.dump(value, Dumper=Plain)).value == value


def test_an_unreadable_text_names_its_line() -> None:
    with pytest.raises(UnreadableError) as caught:
        read_yaml("a: 1\nb: 2\na: 3\n")

    assert caught.value.problem.key == "line 3"

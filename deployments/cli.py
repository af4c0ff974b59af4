"""The command line: `prefect-mlops`."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
import typer

from prefect_mlops.core.errors import DataError, MlopsError
from prefect_mlops.deployments.where import BUSY_SERVER, NO_SERVER

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The life of models on Prefect, from specs in git.")
suite = typer.Typer(no_args_is_help=True, help="Suites: proposed from clean rows, and compared.")
app.add_typer(suite, name="suite")
gates = typer.Typer(no_args_is_help=True, help="Gates: suggested from a first evaluation.")
app.add_typer(gates, name="gates")
Command = TypeVar("Command", bound=Callable[..., Any])

Project = Annotated[Path, typer.Option(help="Folder that holds specs/ and prefect.yaml.")]
Environment = Annotated[str, typer.Option(help="Name of the block documents.")]
AsOf = Annotated[str, typer.Option(help="Time it belongs to, such as 2013-05-01T00:00:00Z; now by default.")]


def told_plainly(command: Command) -> Command:
    """An error of ours is one sentence on stderr and exit code 1, not a traceback."""

    @wraps(command)
    def run(*args: Any, **keys: Any) -> Any:
        try:
            return command(*args, **keys)
        except MlopsError as error:
            typer.echo(f"prefect-mlops: {error}", err=True)
            raise typer.Exit(1) from error
        except httpx.HTTPError as error:
            cure = BUSY_SERVER if isinstance(error, httpx.ReadTimeout) else NO_SERVER
            typer.echo(f"prefect-mlops: the Prefect server does not answer ({error}). {cure}", err=True)
            raise typer.Exit(1) from error

    return run  # type: ignore[return-value]  # the wrapper has the command's signature


@app.command()
@told_plainly
def new(
    name: str,
    data: Annotated[Path | None, typer.Option(help="Rows with their target: CSV, Parquet or JSON lines.")] = None,
    target: Annotated[str, typer.Option(help="The column to predict.")] = "",
    time: Annotated[str, typer.Option(help="Column that says when a row happened.")] = "",
    timezone: Annotated[str, typer.Option(help="Of times without one, such as Europe/Berlin.")] = "",
    key: Annotated[list[str] | None, typer.Option(help="Column that names a row; again for each.")] = None,
    later: Annotated[list[str] | None, typer.Option(help="Column known only after a prediction is made.")] = None,
    project: Project = Path(),
) -> None:
    """Write a spec to review for a new model, from its data where there is some, and prefect.yaml."""
    from prefect_mlops.deployments.new import draft_from_data, write_new

    if data is not None and target:
        for line in draft_from_data(name, project, data, target, time, key or (), later or (), timezone):
            typer.echo(line)
        typer.echo(f"Next: review specs/{name}.yaml, then `prefect-mlops try {name}`.")
        return
    if data is not None or target or time or key or later or timezone:
        raise typer.BadParameter("give --data and --target together", param_hint="--data/--target")
    for path in write_new(name, project):
        typer.echo(f"wrote {path}")
    typer.echo(
        f"Next: edit specs/{name}.yaml, `prefect-mlops check`, `prefect-mlops bootstrap`, `prefect deploy --all`."
    )


@app.command(name="try")
@told_plainly
def try_once(
    name: str,
    data: Annotated[Path | None, typer.Option(help="Other rows than those that `new` kept.")] = None,
    project: Project = Path(),
) -> None:
    """Run a model once in this process, without a server: ingest, train, judge, package."""
    from prefect_mlops.deployments.trying import try_model

    for line in try_model(name, project, data):
        typer.echo(line)


@app.command()
@told_plainly
def adopt(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    data: Annotated[Path, typer.Option(help="Labelled rows as it was trained on: its reference.")],
    spec: Annotated[Path | None, typer.Option(help="The spec; the project's of the same name by default.")] = None,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help="Load a pickle, which may run code.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a champion.")] = False,
    as_of: AsOf = "",
    project: Project = Path(),
    environment: Environment = "default",
) -> None:
    """Make champion of a model that somebody else registered in MLflow."""
    from prefect_mlops.deployments.adopt import adopt_model

    moment, told = _moment(as_of), {"trust_pickle": trust_pickle, "replace": replace}
    typer.echo(adopt_model(uri, data, moment, environment, spec=spec, project=project, **told))


@app.command()
@told_plainly
def sync(
    project: Project = Path(),
    pool: Annotated[str | None, typer.Option(help="Work pool that runs the flows; the file's own, or local.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write another file than prefect.yaml.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when the file is stale.")] = False,
    image: Annotated[str, typer.Option(help="Container image of the runs; the work pool's own when empty.")] = "",
    environment: Environment = "default",
    code: Annotated[str, typer.Option(help="Pulled first: git+https://...@REF or s3://bucket/folder.")] = "",
) -> None:
    """Write prefect.yaml from the specs."""
    from prefect_mlops.deployments.sync import is_stale, write_project
    from prefect_mlops.deployments.where import Where

    where = Where(pool, image, code, environment)
    if check:
        if is_stale(project, where, output):
            raise DataError("prefect.yaml is not what the specs say", "Run `prefect-mlops sync`")
        typer.echo("prefect.yaml is what the specs say.")
        return
    typer.echo(f"wrote {write_project(project, where, output)}")


@app.command()
@told_plainly
def check(
    project: Project = Path(),
    target: Annotated[str, typer.Option(help="Slug of a serving target that the plans must suit.")] = "",
) -> None:
    """Hold specs and prefect.yaml against each other: exit code 0 when they agree, 1 when not."""
    from prefect_mlops.deployments.check import notes_of, problems_of

    problems = problems_of(project, target)
    for note in notes_of(project):
        typer.echo(f"note: {note}")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("Specs and prefect.yaml agree.")


@app.command()
@told_plainly
def bootstrap(
    terraform: Annotated[
        Path | None, typer.Argument(help="What `terraform output -json` prints, `-` for a pipe: makes all for AWS.")
    ] = None,
    project: Project = Path(),
    home: Annotated[Path | None, typer.Option(help="Where the blocks place everything.")] = None,
    environment: Environment = "default",
    pool: Annotated[str, typer.Option(help="Work pool; made when it is missing.")] = "local",
) -> None:
    """Make blocks, work pool, limits and the standing automation on the Prefect server; repeatable."""
    if terraform is not None:
        from prefect_mlops.deployments.terraformed import provision_from

        for line in provision_from(terraform, project, environment):
            typer.echo(line)
        return
    from prefect_mlops.blocks import MlopsSettings
    from prefect_mlops.deployments.bootstrap import bootstrap as prepare
    from prefect_mlops.deployments.sync import read_specs

    where = home or MlopsSettings().home.expanduser()
    for line in prepare(read_specs(project), where, environment, pool):
        typer.echo(line)


@app.command()
@told_plainly
def land(
    model: str,
    file: Path,
    batch: Annotated[str, typer.Option(help="The file's name there; `labels-...` for labels.")] = "",
    as_of: AsOf = "",
    environment: Environment = "default",
) -> None:
    """Let a batch land: copy a file into the model's landing folder and announce it."""
    from prefect_mlops.deployments.land import land_batch

    typer.echo(f"landed {land_batch(model, file, batch, _moment(as_of), environment)}")


@app.command()
@told_plainly
def quarantine(
    model: str,
    output: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet.")],
    batch: Annotated[str, typer.Option(help="Only the rows of this batch.")] = "",
    project: Project = Path(),
    environment: Environment = "default",
) -> None:
    """Write the rows that wait in a model's quarantine into a file, with the reasons, to be corrected."""
    from prefect_mlops.deployments.quarantine import write_quarantined

    rows = write_quarantined(project, model, output, batch, environment)
    if not rows:
        typer.echo("No row waits in quarantine.")
        return
    typer.echo(f"wrote {rows:,} rows to {output}")
    typer.echo(f"Next: correct values, delete the rows that stay out, `prefect-mlops release {model} {output}`.")


@app.command()
@told_plainly
def release(
    model: str,
    file: Path,
    as_of: AsOf = "",
    project: Project = Path(),
    environment: Environment = "default",
) -> None:
    """Accept corrected rows from a file that `quarantine` wrote."""
    from prefect_mlops.deployments.quarantine import release_file

    typer.echo(release_file(project, model, file, _moment(as_of), environment))


@suite.command()
@told_plainly
def propose(
    files: Annotated[list[Path], typer.Argument(help="Clean rows, oldest first; each file is a batch.")],
    output: Annotated[Path, typer.Option(help="The suite to write, as YAML.")],
    spec: Annotated[Path | None, typer.Option(help="A spec: its key, time and personal columns.")] = None,
    time: Annotated[str, typer.Option(help="Column that cuts the rows into batches.")] = "",
    every: Annotated[Literal["day", "week", "month"], typer.Option(help="How long a batch is.")] = "day",
    key: Annotated[list[str] | None, typer.Option(help="Column that names a row; again for each.")] = None,
    personal: Annotated[list[str] | None, typer.Option(help="Column of which no value is written.")] = None,
    false_alarm_rate: Annotated[float, typer.Option(help="Share of clean next batches that may fail.")] = 0.01,
) -> None:
    """Propose a suite from clean rows, to be reviewed."""
    from prefect_mlops.deployments.suites import propose_from_files

    found = propose_from_files(files, output, spec, time, every, key or (), personal or (), false_alarm_rate)
    for line in found.about:
        typer.echo(line)
    typer.echo(f"wrote {len(found.suite.expectations)} expectations to {output}")


@suite.command()
@told_plainly
def diff(old: str, new: str) -> None:
    """Say what changed between two suites: files, specs, or import paths."""
    from prefect_mlops.deployments.suites import compare

    found = compare(old, new)
    typer.echo(found.summary)
    for change in found.changes:
        typer.echo(f"- {change}")


@gates.command()
@told_plainly
def suggest(
    name: str,
    output: Annotated[Path | None, typer.Option(help="The file to write, as YAML; printed when absent.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="An evidence.json of a run, instead of the newest.")] = None,
    project: Project = Path(),
    environment: Environment = "default",
) -> None:
    """Propose a model's gates from its newest evaluation, to be reviewed: from `.try`, else from the ledger."""
    from prefect_mlops.deployments.gates import suggest_from_newest

    found = suggest_from_newest(name, project, output, evidence, environment)
    typer.echo(f"wrote {found.gates} gates to {output}" if output else found.yaml, nl=bool(output))


@app.command()
@told_plainly
def serve(
    status: Annotated[bool, typer.Option("--status", help="Print what runs, and leave.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the gateway and all servers, and leave.")] = False,
    folder: Annotated[Path | None, typer.Option(help="The target's folder; needs no Prefect server.")] = None,
    port: Annotated[int | None, typer.Option(help="Where the gateway of a new folder listens.")] = None,
    environment: Environment = "default",
) -> None:
    """Keep the servers of a local target up: start again what ends, and make what flows order."""
    from prefect_mlops.deployments.serve import find_target, serve_target, status_lines

    target = find_target(environment, folder, port)
    if status:
        for line in status_lines(target):
            typer.echo(line)
    elif stop:
        target.stop()
        typer.echo("stopped; nothing serves any more")
    else:
        serve_target(target)


@app.command()
@told_plainly
def demo(
    months: Annotated[int, typer.Option(min=4, max=12, help="Last month of 2013 to play.")] = 5,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers up until Ctrl-C.")] = False,
    folder: Annotated[Path, typer.Option(help="Everything of the demo; emptied first.")] = Path(".demo"),
    results: Annotated[Path | None, typer.Option(help="Folder for the table as JSON.")] = None,
    prefect_port: Annotated[int, typer.Option(envvar="DEMO_PREFECT_PORT")] = 4200,
    mlflow_port: Annotated[int, typer.Option(envvar="DEMO_MLFLOW_PORT")] = 5000,
    gateway_port: Annotated[int, typer.Option(envvar="DEMO_GATEWAY_PORT")] = 8780,
) -> None:
    """Close the whole loop on real flights, on this machine."""
    from prefect_mlops.deployments.demo.servers import enter_environment

    # Prefect reads its settings from the environment when it is first imported.
    enter_environment(folder.absolute(), prefect_port)
    from prefect_mlops.deployments.demo.run import Ports, run_demo

    try:
        run_demo(months, keep, folder.absolute(), Ports(prefect_port, mlflow_port, gateway_port), results)
    except KeyboardInterrupt:
        sys.exit("demo: stopped; nothing runs any more")


def _moment(as_of: str) -> datetime:
    try:
        return datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
    except ValueError as error:
        raise typer.BadParameter(f"{as_of!r} is not an ISO 8601 time.", param_hint="--as-of") from error

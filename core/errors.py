"""Every fault this package raises on purpose, in one tree.

    MlopsError
    ├── SpecError            ValueError    a spec or suite that cannot be read or is not allowed
    ├── PartError            LookupError   a gate, trainer or monitor whose class cannot be found
    ├── DataError            ValueError    rows that cannot be used as they are
    ├── SchemaMismatch       ValueError    a batch whose columns differ from its table's
    ├── StorageError         OSError       a table that cannot be written or read now: a full disk, no access, no answer
    ├── NotFound             LookupError   a table, version, suite, bento or block that is not there
    ├── NotMeasured          LookupError   a metric that a gate wants and nobody measured
    ├── TrainingError        RuntimeError  an estimator that failed while it learned
    ├── TrackingUnavailable  ConnectionError  the tracking server does not answer
    ├── ServingError         RuntimeError  a server that does not start or answers wrongly
    ├── PortInUse            OSError       a port that somebody else holds
    ├── ModelBusy            RuntimeError  a model that another run writes to, for longer than this one waits
    └── LedgerBroken         ValueError    a ledger whose chain of hashes does not hold

Every class passes all its arguments to `super().__init__`, so that an error survives the way back from
a worker process, and says in `__str__` what happened, what was expected and what to do.
"""

from typing import NamedTuple

__all__ = [
    "DataError",
    "LedgerBroken",
    "MlopsError",
    "ModelBusy",
    "NotFound",
    "NotMeasured",
    "PartError",
    "PortInUse",
    "SchemaMismatch",
    "ServingError",
    "SpecError",
    "SpecProblem",
    "StorageError",
    "TrackingUnavailable",
    "TrainingError",
]


class MlopsError(Exception):
    """The root: catch it to catch everything this package raises on purpose."""


class SpecProblem(NamedTuple):
    """One thing that is wrong in a spec."""

    key: str
    message: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f" {self.cure}" if self.cure else "")


class SpecError(MlopsError, ValueError):
    """A spec that cannot be read, or says what is not allowed.

    Args:
        source: The file, or `<spec>` for a spec that came as a value.
        problems: What is wrong, one entry a key.
        what: What it should have been.
    """

    def __init__(self, source: str, problems: tuple[SpecProblem, ...], what: str = "model spec") -> None:
        super().__init__(source, problems, what)
        self.source, self.what = source, what
        self.problems = tuple(SpecProblem(*problem) for problem in problems)

    def __str__(self) -> str:
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        return f"{self.source} is not a valid {self.what}:\n{lines}"


class PartError(MlopsError, LookupError):
    """A part of a spec names a class that cannot be used.

    Args:
        kind: The name as written in the spec.
        reason: Why it cannot be used.
        known: The kinds that would have been understood.
    """

    def __init__(self, kind: str, reason: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(kind, reason, known)
        self.kind, self.reason, self.known = kind, reason, known

    def __str__(self) -> str:
        known = f" Known here: {', '.join(self.known)}." if self.known else ""
        return f"{self.kind!r} cannot be used: {self.reason}.{known}"


class DataError(MlopsError, ValueError):
    """Rows that cannot be used as they are.

    Args:
        what: What was found, a sentence without its full stop.
        cure: What to do about it, likewise.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what, cure)
        self.what, self.cure = what, cure

    def __str__(self) -> str:
        return f"{self.what}. {self.cure}."


class SchemaMismatch(MlopsError, ValueError):
    """A batch whose columns or types differ from those of the table it should join.

    Args:
        table: The table's name.
        differences: One phrase a column, such as `air_time: the table has int64, the batch double`.
    """

    def __init__(self, table: str, differences: tuple[str, ...]) -> None:
        super().__init__(table, differences)
        self.table, self.differences = table, differences

    def __str__(self) -> str:
        return (
            f"The batch does not fit table {self.table!r}: {'; '.join(self.differences)}. Nothing was written. "
            "Mend the batch's columns, or start a new table under another model name."
        )


class StorageError(MlopsError, OSError):
    """A table cannot be written or read now, whatever rows it is about: a full disk, no access, no answer.

    Args:
        table: The table's name.
        reason: What the storage said.
    """

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(table, reason)
        self.table, self.reason = table, reason

    def __str__(self) -> str:
        return (
            f"Table {self.table!r} cannot be reached or written: {self.reason}. It is at its last version; free space, "
            "or correct the tables block, and run again."
        )


class NotFound(MlopsError, LookupError):
    """Something that was asked for by name and is not there.

    Args:
        what: The kind of thing, such as `table`.
        name: The name that was asked for.
        cure: What to do, a sentence without its full stop.
    """

    def __init__(self, what: str, name: str, cure: str) -> None:
        super().__init__(what, name, cure)
        self.what, self.name, self.cure = what, name, cure

    def __str__(self) -> str:
        return f"There is no {self.what} {self.name!r}. {self.cure}."


class NotMeasured(MlopsError, LookupError):
    """A gate wants a metric that the evidence does not hold.

    Args:
        wanted: The metric that the gate names.
        measured: The metrics that were measured.
    """

    def __init__(self, wanted: str, measured: tuple[str, ...]) -> None:
        super().__init__(wanted, measured)
        self.wanted, self.measured = wanted, measured

    def __str__(self) -> str:
        return (
            f"The metric {self.wanted!r} was not measured; measured were {', '.join(self.measured) or 'none'}. "
            "Name one of them in the gate, or a metric that fits the spec's problem."
        )


class TrainingError(MlopsError, RuntimeError):
    """An estimator failed while it learned, or learned something that cannot be used.

    Args:
        estimator: The estimator's import path.
        reason: What it said, a sentence without its full stop.
    """

    def __init__(self, estimator: str, reason: str) -> None:
        super().__init__(estimator, reason)
        self.estimator, self.reason = estimator, reason

    def __str__(self) -> str:
        return (
            f"Training {self.estimator} failed: {self.reason}. Nothing was registered. "
            "Mend `trainer` in the spec or the rows it learns from, and run the training again."
        )


class TrackingUnavailable(MlopsError, ConnectionError):
    """The tracking server does not answer.

    Args:
        uri: Its address, without credentials.
        reason: What the client said.
    """

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri, self.reason = uri, reason

    def __str__(self) -> str:
        return (
            f"MLflow at {self.uri} does not answer: {self.reason}. Start it, or correct `tracking_uri` in the "
            "tracking block (Prefect UI, Blocks); then run again, nothing was registered."
        )


class ServingError(MlopsError, RuntimeError):
    """A server that does not start, does not become ready, or answers wrongly.

    Args:
        what: What happened, a sentence without its full stop.
        cure: What to do, likewise.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what, cure)
        self.what, self.cure = what, cure

    def __str__(self) -> str:
        return f"{self.what}. {self.cure}."


class PortInUse(MlopsError, OSError):
    """A port on this machine that another process listens on.

    Args:
        port: The port.
        purpose: What it was wanted for.
        cure: How to choose another, a sentence without its full stop.
    """

    def __init__(self, port: int, purpose: str, cure: str) -> None:
        super().__init__(port, purpose, cure)
        self.port, self.purpose, self.cure = port, purpose, cure

    def __str__(self) -> str:
        return f"Port {self.port}, wanted for {self.purpose}, is in use by another process. {self.cure}."


class ModelBusy(MlopsError, RuntimeError):
    """Another run writes to a model, and goes on with it for longer than this one waits.

    Not a TimeoutError, of which Prefect makes a run that took too long itself.

    Args:
        model: The model's name.
        holder: Who writes to it and since when, as far as the server tells.
        waited: How long it was waited for.
    """

    def __init__(self, model: str, holder: str, waited: str) -> None:
        super().__init__(model, holder, waited)
        self.model, self.holder, self.waited = model, holder, waited

    def __str__(self) -> str:
        return (
            f"{self.model} is held by {self.holder}; after {self.waited} it was waited for no longer, and nothing was "
            "changed. Run this again when that has ended, or cancel it."
        )


class LedgerBroken(MlopsError, ValueError):
    """A ledger whose chain of hashes does not hold: a record was changed, removed or put in later.

    Args:
        sequence: The first record that does not fit.
        reason: What does not fit.
    """

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(sequence, reason)
        self.sequence, self.reason = sequence, reason

    def __str__(self) -> str:
        return (
            f"The ledger does not hold from record {self.sequence} on: {self.reason}. "
            "Restore the table from a backup and compare; do not append to it."
        )

"""Whether a bento that was tried in a process of its own may see traffic: what is measured, and what is said of it."""

from collections.abc import Callable, Sequence
from typing import Literal

from prefect_mlops.core.answers import Agreement
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.serving import Budget, Serving

__all__ = ["Refused", "StageFinding", "Staged", "Trial", "judge_trial"]

GROWN_OVER = 10_000
"""Requests that a budget's memory growth is meant for."""
PAGES_MB = 2.0
"""Memory that comes and goes in any process: growth below it is told as it is seen, above it is projected."""


class Refused(Frozen):
    """What a request that must be refused got.

    Attributes:
        what: What is wrong with it, such as `an unknown field`.
        status: The answer's status; 0 where the server hung up instead.
        field: What the answer must name; empty where there is nothing to name.
        named: Whether it did.
        asked: Whether the service promises the refusal; one that does not may answer.
    """

    what: str
    status: int
    field: str = ""
    named: bool = True
    asked: bool = True


class Trial(Frozen):
    """What was measured of one bento. What it did not come to is absent.

    Attributes:
        fault: Why the trial ended early, one sentence; empty where it did not.
        boot_seconds: From start to ready.
        boot_cpu_seconds: Of the processor, likewise.
        boot_memory_mb: Resident memory of all its processes when it was ready.
        golden: How the golden rows were answered, at once and one by one.
        edges: How the edge rows were, likewise; absent where the version has none on record.
        refused: How wrong requests were.
        p50_ms: Median of single-row requests over one connection, the client included, for each round.
        p99_ms: The like for the slowest hundredth.
        per_second: Single-row requests answered in a second over several connections, for each round.
        memory: Requests answered until then, and resident memory in MB, after each of these rounds.
        failed: Requests of all rounds that were not answered by 200.
    """

    fault: str = ""
    boot_seconds: float | None = None
    boot_cpu_seconds: float | None = None
    boot_memory_mb: float | None = None
    golden: Agreement | None = None
    edges: Agreement | None = None
    refused: tuple[Refused, ...] = ()
    p50_ms: tuple[float, ...] = ()
    p99_ms: tuple[float, ...] = ()
    per_second: tuple[float, ...] = ()
    memory: tuple[tuple[int, float], ...] = ()
    failed: int = 0

    @property
    def memory_growth_mb(self) -> float | None:
        """What 10,000 requests add to a warm server, from the median of the slopes between all rounds.

        Growth of less than 2 MB over all rounds is told as it is seen: every process breathes that much.

        References:
            Sen (1968), J. Am. Stat. Assoc. 63, 1379-1389.

        Examples:
            1,000 requests add 10 MB, but for one round that happened to collect garbage.

            >>> Trial(memory=((0, 100), (1000, 110), (2000, 120), (3000, 115), (4000, 140))).memory_growth_mb
            100.0
            >>> Trial(memory=((0, 100), (1000, 101), (2000, 101.5))).memory_growth_mb
            1.5
        """
        if len(self.memory) < 2:
            return None
        seen = self.memory[-1][1] - self.memory[0][1]
        slopes = [
            (later - earlier) / (more - fewer)
            for place, (fewer, earlier) in enumerate(self.memory)
            for more, later in self.memory[place + 1 :]
            if more > fewer
        ]
        from statistics import median

        return seen if abs(seen) < PAGES_MB or not slopes else median(slopes) * GROWN_OVER


class StageFinding(Frozen):
    """One thing that was looked at.

    Attributes:
        name: What.
        outcome: `pass` or `fail` where there is a limit, `told` where there is none.
        reason: One sentence.
        measured: The number, where it is one.
        limit: What it was held against.
        costs: Whether it is about speed or memory, which a busy machine can spoil.
    """

    name: str
    outcome: Literal["pass", "fail", "told"]
    reason: str
    measured: float | None = None
    limit: float | None = None
    costs: bool = False


class Staged(Frozen):
    """The verdict over one bento.

    Attributes:
        fit: Whether it may see traffic: nothing failed.
        reason: One sentence.
        findings: What was looked at, in the order of the trial.
        tries: How often it was tried; what is only too slow or too large is tried twice before it is refused.
        largest_difference: Between a served and an offline number, over golden and edge rows.
    """

    fit: bool
    reason: str
    findings: tuple[StageFinding, ...] = ()
    tries: int = 1
    largest_difference: float | None = None

    @property
    def only_costs(self) -> bool:
        """Whether it is refused for its speed or memory alone."""
        return not self.fit and all(finding.costs for finding in self.findings if finding.outcome == "fail")


def judge_trial(trial: Trial, serving: Serving, tries: int = 1) -> Staged:
    """Say of all that was measured whether the spec allows it.

    Args:
        trial: What was measured.
        serving: The spec's tolerance and budget. A budget that is absent refuses nothing.
        tries: How many trials there were, this one included.

    Examples:
        >>> met = Agreement(rows=50, difference=2e-7)
        >>> trial = Trial(boot_seconds=2.0, golden=met, p50_ms=(3.0, 9.0, 4.0), memory=((0, 80), (10, 80)))
        >>> judge_trial(trial, Serving()).fit
        True
        >>> tight = Serving(budget=Budget(latency_p50_ms=3.5))
        >>> judge_trial(trial, tight).reason
        'latency p50: 4 ms, 3.5 ms is allowed (rounds from 3 to 9 ms).'
        >>> judge_trial(Trial(fault="It did not boot: no model"), tight).reason
        'It did not boot: no model.'
    """
    findings = (*_answers(trial, serving.tolerance), *_costs(trial, serving.budget))
    if trial.fault:
        fault = trial.fault.rstrip(".") + "."
        findings = (*findings, StageFinding(name="the trial", outcome="fail", reason=fault))
    failed = [finding for finding in findings if finding.outcome == "fail"]
    met = [agreement for agreement in (trial.golden, trial.edges) if agreement is not None]
    reason = _summary(trial)
    if failed:
        # What ended the trial explains what else failed.
        reason = (failed[-1] if trial.fault else failed[0]).reason
        others = len(failed) - 1
        reason += f" {others} more failed." if others else ""
    return Staged(
        fit=not failed,
        reason=reason,
        findings=findings,
        tries=tries,
        largest_difference=max((agreement.difference for agreement in met), default=None),
    )


def _answers(trial: Trial, tolerance: float) -> list[StageFinding]:
    found = []
    for name, met in (("golden rows", trial.golden), ("edge rows", trial.edges)):
        if met is None:
            continue
        told = {"name": name, "measured": met.difference, "limit": tolerance}
        if met.fault:
            found.append(StageFinding(outcome="fail", reason=f"Of the {name}, {met.fault}.", **told))
        elif not met.difference <= tolerance:
            reason = f"{name}: served and offline predictions differ by {met.difference:.3g}; {tolerance:g} is allowed."
            found.append(StageFinding(outcome="fail", reason=reason, **told))
        else:
            reason = f"{met.rows} answered as offline: they differ by {met.difference:.3g}, {tolerance:g} is allowed."
            found.append(StageFinding(outcome="pass", reason=reason, **told))
    for refused in trial.refused:
        name = f"refuses {refused.what}"
        got = f"got {refused.status}" if refused.status else "broke the connection"
        if 400 <= refused.status < 500 and refused.named:
            found.append(StageFinding(name=name, outcome="pass", reason=f"A request with {refused.what} {got}."))
        elif 400 <= refused.status < 500:
            reason = f"A request with {refused.what} {got}, but the answer does not name {refused.field!r}."
            found.append(StageFinding(name=name, outcome="fail", reason=reason))
        else:
            reason = f"A request with {refused.what} {got}; a 4xx was expected."
            outcome = "fail" if refused.asked or refused.status != 200 else "told"
            found.append(StageFinding(name=name, outcome=outcome, reason=reason))
    if trial.failed:
        reason = f"{trial.failed} single-row requests were not answered by 200."
        found.append(
            StageFinding(name="failed requests", outcome="fail", reason=reason, measured=trial.failed, limit=0)
        )
    return found


def _costs(trial: Trial, budget: Budget) -> list[StageFinding]:
    memory = [megabytes for _, megabytes in trial.memory]
    found = [
        _cost("cold start", "s", trial.boot_seconds, budget.cold_start_seconds),
        _cost("cold start, processor", "s", trial.boot_cpu_seconds, None),
        _cost("memory at boot", "MB", trial.boot_memory_mb, None),
        _cost("latency p50", "ms", _middle(trial.p50_ms), budget.latency_p50_ms, trial.p50_ms),
        _cost("latency p99", "ms", _middle(trial.p99_ms), budget.latency_p99_ms, trial.p99_ms),
        _cost("requests per second", "", _middle(trial.per_second), budget.requests_per_second, trial.per_second, min),
        _cost("memory", "MB", memory[-1] if memory else None, budget.memory_mb),
        _cost("memory growth", "MB in 10,000 requests", trial.memory_growth_mb, budget.memory_growth_mb),
    ]
    return [finding for finding in found if finding is not None]


def _cost(
    name: str,
    unit: str,
    measured: float | None,
    limit: float | None,
    rounds: Sequence[float] = (),
    worse: Callable[..., float] = max,
) -> StageFinding | None:
    if measured is None:
        return None
    spread = f" (rounds from {min(rounds):.3g} to {max(rounds):.3g} {unit})".replace(" )", ")") if rounds else ""
    reason = f"{name}: {measured:.3g} {unit}".rstrip()
    told = {"name": name, "measured": measured, "limit": limit, "costs": True}
    if limit is None:
        return StageFinding(outcome="told", reason=f"{reason}{spread}.", **told)
    word = "allowed" if worse is max else "asked"
    reason = f"{reason}, {limit:g} {unit}".rstrip() + f" is {word}{spread}."
    return StageFinding(outcome="fail" if worse(measured, limit) != limit else "pass", reason=reason, **told)


def _summary(trial: Trial) -> str:
    met = [agreement for agreement in (trial.golden, trial.edges) if agreement is not None]
    parts = []
    if met:
        rows, difference = sum(agreement.rows for agreement in met), max(agreement.difference for agreement in met)
        parts.append(f"{rows} rows answered as offline (difference {difference:.1g})")
    for unit, value in (
        ("boot in {:.1f} s", trial.boot_seconds),
        ("p50 {:.1f} ms", _middle(trial.p50_ms)),
        ("p99 {:.1f} ms", _middle(trial.p99_ms)),
        ("{:.0f} requests/s", _middle(trial.per_second)),
        ("{:.0f} MB", trial.memory[-1][1] if trial.memory else None),
    ):
        parts += [] if value is None else [unit.format(value)]
    return f"Staged: {', '.join(parts)}."


def _middle(rounds: Sequence[float]) -> float | None:
    from statistics import median

    return median(rounds) if rounds else None

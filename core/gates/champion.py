"""Gates that compare a candidate with another model on the same rows."""

import math
from typing import Annotated, Literal

from pydantic import Field

from prefect_mlops.core.evidence import Evidence, Other, Verdict, Wager
from prefect_mlops.core.gates.confidence import estimate_of, verdict_on
from prefect_mlops.core.gates.power import paired_power, wagered_detectable, wagered_rows
from prefect_mlops.core.parts import Frozen

__all__ = ["BetterThanBaseline", "BetterThanChampion", "NotWorseThanChampion"]

WORSE_SHARE = 0.01
"""A point of a share (accuracy, an area under a curve, F1), which is about what 2,000 rows can tell apart."""
WORSE_RELATIVE = 0.05
"""A twentieth of an error or a cost: a point of accuracy is as much of the errors of a model that is right in 80%."""
SHARES = ("logit", "wilson")
RANK = ("fail", "not applicable", "undecided", "pass")
"""Of two verdicts the earlier one counts."""


class _Paired(Frozen):
    metric: Annotated[str, Field(description="The metric's name; its direction is known.")]
    confidence: Annotated[float, Field(gt=0.5, lt=1.0, description="One-sided confidence of the bound.")] = 0.95
    effect: Annotated[
        float | None,
        Field(gt=0, description="How far beyond the bound is worth finding; tells how many rows would show it."),
    ] = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that must have been measured and compared."""
        return (self.metric,)

    @property
    def family(self) -> Literal["proof"]:
        """The gate must show that the candidate is good, so it is tested at its full level."""
        return "proof"

    def _compare(
        self, evidence: Evidence, kind: str, against: Other, bound: float, *, strict: bool, planned: int = 1
    ) -> Verdict:
        """Today's paired comparison, each side at its share of the level where the rows serve several."""
        compared = evidence.compared(self.metric, against)
        confidence = 1.0 - (1.0 - self.confidence) / planned
        verdict = verdict_on(
            estimate_of(compared),
            kind=kind,
            metric=self.metric,
            subject=f"The advantage in {self.metric} over the {_named(evidence, against)}",
            bound=bound,
            sign=1,
            strict=strict,
            confidence=confidence,
            effect=self.effect,
        )
        # 99.75% would be rounded to "100%".
        reason = verdict.reason.replace(f"({confidence:.0%} bounds", f"({100 * confidence:.4g}% bounds")
        if self.effect and verdict.outcome == "undecided":
            power = paired_power(self.effect, compared.standard_error, compared.degrees_of_freedom, confidence)
            reason += (
                f" One that lies {self.effect:g} beyond would be proved in {power:.0%} of cases by these rows, "
                f"in 80% by {verdict.rows_needed or 0:,}."
            )
        return verdict.model_copy(update={"reason": reason})

    def _on_holdout(
        self, evidence: Evidence, kind: str, against: Other, bound: float, *, strict: bool, planned: int
    ) -> Verdict:
        """The same on rows whose uses are counted; a caller that counts none vouches that they are fresh."""
        use = evidence.holdout_use
        if use is None:
            return self._compare(evidence, kind, against, bound, strict=strict)
        verdict = self._compare(evidence, kind, against, bound, strict=strict, planned=planned)
        if use.comparisons <= planned or verdict.outcome == "not applicable":
            return verdict
        reason = (
            f"The hold-out has served its {planned:,} planned comparison{'s' if planned > 1 else ''} and this would be "
            f"number {use.comparisons:,}; bring fresh rows; better-than-champion bets on them with rows: fresh."
        )
        return verdict.model_copy(update={"outcome": "undecided", "reason": reason})

    def _unopposed(self, kind: str) -> Verdict:
        reason = f"There is no champion yet, so {self.metric} has nothing to be compared with."
        return Verdict(gate=kind, metric=self.metric, outcome="pass", reason=reason)


class BetterThanChampion(_Paired):
    """The candidate beats the champion by more than a margin; passes while there is no champion.

    With **fresh** rows the proof is a bet that every candidate since the champion took over has shared in: it passes
    when the e-value reaches `1 / (1 - confidence)`, the champion has served its tenure, and today's candidate is not
    worse on today's rows by more than `worse_today`. It fails when today's whole interval misses the margin. By
    Ville's inequality a line of candidates that are never better is let through, in all of a champion's service, with
    a chance of at most `1 - confidence`, however often one trains.

    On a **hold-out** each of `planned` comparisons is made at its share of the level, on both sides of the interval;
    after them the rows are worn and the verdict is `undecided`. `planned: 1` is a hold-out that is used once.

    Examples:
        >>> gate = BetterThanChampion(metric="accuracy")
        >>> gate.margin, gate.planned, gate.tenure_days, gate.family
        (0.0, 20, 7.0, 'proof')
    """

    kind: Literal["better-than-champion"] = "better-than-champion"
    margin: Annotated[float, Field(ge=0, description="By how much it must be better.")] = 0.0
    rows: Annotated[
        Literal["fresh", "holdout"] | None,
        Field(
            description="Bet on rows newer than both trainings (by data.time, or else by when they arrived), or "
            "compare on the hold-out; by default fresh with data.time, holdout without."
        ),
    ] = None
    planned: Annotated[int, Field(ge=1, description="Comparisons that a hold-out serves.")] = 20
    tenure_days: Annotated[float, Field(ge=0, description="For how long a champion serves at least.")] = 7.0
    worse_today: Annotated[
        float | None,
        Field(
            gt=0,
            description="By how much today's candidate may be worse on today's rows while fresh rows prove its line "
            "better; 0.01 of a share, a twentieth of the champion's error or cost by default.",
        ),
    ] = None

    @property
    def bets(self) -> bool:
        """Whether candidates are to be bet on with fresh rows, where rows have a time."""
        return self.rows != "holdout"

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when fresh rows, or the hold-out's lower bound, prove an advantage beyond the margin."""
        if evidence.champion_version is None:
            return self._unopposed(self.kind)
        wager = evidence.wager_on(self.metric)
        if self.rows == "holdout" or (self.rows is None and wager is None):
            return self._on_holdout(evidence, self.kind, "champion", self.margin, strict=True, planned=self.planned)
        if wager is None or wager.champion_version != evidence.champion_version:
            reason = (
                f"Nothing was bet on {self.metric} against version {evidence.champion_version}: the judging rows say "
                "neither when they happened (data.time) nor when they were accepted. Or choose rows: holdout."
            )
            return Verdict(gate=self.kind, metric=self.metric, outcome="not applicable", reason=reason)
        return self._on_fresh_rows(evidence, wager)

    def _on_fresh_rows(self, evidence: Evidence, wager: Wager) -> Verdict:
        today = self._compare(evidence, self.kind, "champion", self.margin, strict=True)
        found = {**self._reach(wager), "e_value": wager.e_value, "rows": wager.rows}
        if today.outcome in ("fail", "not applicable"):
            return today.model_copy(update=found)
        assert today.low is not None
        allowed, needed = self._allowed(evidence), 1.0 / (1.0 - self.confidence)
        missing = []
        if wager.e_value < needed:
            missing.append(f"evidence (E is {wager.e_value:.3g} of the {needed:.4g} needed)")
        if evidence.champion_days is not None and evidence.champion_days < self.tenure_days:
            missing.append(
                f"tenure (the champion has served {evidence.champion_days:.1f} of {self.tenure_days:g} days)"
            )
        if today.low < -allowed:
            missing.append(f"today's proof (the lower bound must reach {-allowed:.4g})")
        against = f"version {wager.champion_version}"
        won = (
            f"{wager.rows:,} fresh rows in {wager.looks:,} look{'s' if wager.looks > 1 else ''} have won "
            f"E = {wager.e_value:.3g} against {against} by {wager.scored}"
            f"{'' if wager.exact else ', a bound for many rows a look'}"
            if wager.looks
            else f"No fresh row has been bet on against {against}"
        )
        lead = (
            f"{won}; today's advantage in {self.metric} is {today.value:.4g} ({100 * self.confidence:.4g}% bounds "
            f"{today.low:.4g} and {today.high:.4g})"
        )
        if not missing:
            reason = f"{lead}: proved more than {self.margin:g}, and not worse today by more than {allowed:.4g}."
            return today.model_copy(update={**found, "outcome": "pass", "reason": reason})
        reason = f"{lead}; missing {'is' if len(missing) == 1 else 'are'} {_listed(missing)}."
        if found["rows_needed"]:
            reason += (
                f" An advantage that lies {self.effect:g} beyond {self.margin:g} takes about "
                f"{found['rows_needed']:,} fresh rows in 80% of cases."
            )
        if wager.reason:
            reason += f" Nothing was bet today: {wager.reason[0].lower()}{wager.reason[1:]}."
        return today.model_copy(update={**found, "outcome": "undecided", "reason": reason})

    def _reach(self, wager: Wager) -> dict[str, float | int | None]:
        """What the bets can show, from the spread of the scores seen; nothing before a row differed."""
        if not wager.rows or not wager.squares:
            return {"minimum_detectable": None, "rows_needed": None}
        variance, level = wager.design_effect * wager.squares / wager.rows, 1.0 - self.confidence
        return {
            "minimum_detectable": wagered_detectable(wager.rows, variance, level) * wager.unit,
            "rows_needed": wagered_rows(self.effect / wager.unit, variance, level) if self.effect else None,
        }

    def _allowed(self, evidence: Evidence) -> float:
        if self.worse_today is not None:
            return self.worse_today
        champion = evidence.measured(self.metric, "champion")
        if champion.scale in SHARES or self.metric == "r2":
            return WORSE_SHARE
        return WORSE_RELATIVE * abs(champion.value)


class NotWorseThanChampion(_Paired):
    """The candidate is not worse than the champion by more than a margin, nor than a frozen anchor.

    Each such proof allows a small step down, and many steps add up: at a margin of one point and 2,000 rows a model
    three tenths worse passes in 36%. So the same is asked against an anchor that stands still while champions come
    and go, and the worse of the two verdicts counts.

    A hold-out wears here too: the policy "promote unless worse" looks at it as often as "promote if better" does, and
    one decision is one comparison, whose gates must all pass. Where candidates are bet on with fresh rows, today's
    rows are mostly new and the level is whole.
    """

    kind: Literal["not-worse-than-champion"] = "not-worse-than-champion"
    margin: Annotated[float, Field(gt=0, description="How much worse still counts as equal.")]
    against: Annotated[
        Literal["champion", "anchor", "both"],
        Field(description="The champion, a version that stands still, or both; without an anchor the champion alone."),
    ] = "both"
    planned: Annotated[int, Field(ge=1, description="Comparisons that a hold-out serves.")] = 20

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower bound of every paired advantage reaches minus the margin."""
        if evidence.champion_version is None:
            return self._unopposed(self.kind)
        anchored = evidence.anchor_version is not None and evidence.anchor_version != evidence.champion_version
        others: tuple[Other, ...] = ("champion",)
        if anchored:
            others = ("champion", "anchor") if self.against == "both" else (self.against,)
        verdicts = [
            self._compare(evidence, self.kind, other, -self.margin, strict=False)
            if evidence.wagers
            else self._on_holdout(evidence, self.kind, other, -self.margin, strict=False, planned=self.planned)
            for other in others
        ]
        return min(verdicts, key=_worse)


class BetterThanBaseline(_Paired):
    """The candidate beats a model that ignores the features, or a simple linear one.

    The linear model is asked for by name: a spec whose trainer is linear can never beat it.
    """

    kind: Literal["better-than-baseline"] = "better-than-baseline"
    margin: Annotated[float, Field(ge=0, description="By how much it must be better.")] = 0.0
    against: Annotated[
        Literal["dummy", "linear", "both"],
        Field(description="A model that knows only how often each class came, or the mean; a linear model; or both."),
    ] = "dummy"

    @property
    def wants_linear(self) -> bool:
        """Whether a linear model must be fitted beside the candidate."""
        return self.against != "dummy"

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower bound of every paired advantage exceeds the margin."""
        named: dict[str, tuple[Other, ...]] = {
            "dummy": ("baseline",),
            "linear": ("linear",),
            "both": ("baseline", "linear"),
        }
        verdicts = [
            self._compare(evidence, self.kind, other, self.margin, strict=True) for other in named[self.against]
        ]
        return min(verdicts, key=_worse)


def _worse(verdict: Verdict) -> tuple[int, float]:
    """Orders verdicts from the worst; of equal ones that with the lower bound further down comes first."""
    return RANK.index(verdict.outcome), verdict.low if verdict.low is not None else -math.inf


def _named(evidence: Evidence, other: Other) -> str:
    if other == "anchor":
        return f"anchor (version {evidence.anchor_version})"
    return "linear model" if other == "linear" else other


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"

"""Whether a model that asks to be trained again is due."""

from typing import TYPE_CHECKING

from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from prefect_mlops.core.spec import Retraining

__all__ = ["Due", "Situation", "judge_due"]


class Situation(Frozen):
    """What is known when a retraining is asked for.

    Attributes:
        fresh_labels: Labelled rows newer than the champion's training; all of them where there is no champion.
        trained_this_month: Trainings in the calendar month of `as_of`.
        trained_on: The labels' version that the last training read; None before the first.
        labels_version: The labels' version that this one would read.
        champion: Whether a champion exists.
    """

    fresh_labels: int
    trained_this_month: int
    trained_on: int | None
    labels_version: int
    champion: bool


class Due(Frozen):
    """Whether to train, and why."""

    due: bool
    reason: str


def judge_due(policy: "Retraining", situation: Situation) -> Due:
    """Say whether a retraining is due.

    Args:
        policy: The spec's `retraining`.
        situation: What is known.

    Examples:
        >>> from prefect_mlops.core.spec import Retraining
        >>> seen = Situation(fresh_labels=100, trained_this_month=0, trained_on=3, labels_version=4, champion=True)
        >>> judge_due(Retraining(), seen).reason
        '100 fresh labels; 500 are needed.'
    """
    if policy.frozen:
        return Due(due=False, reason="The spec says frozen: true.")
    if situation.trained_on is not None and situation.labels_version <= situation.trained_on:
        known = f"Labels at version {situation.labels_version} were already trained on"
        return Due(due=False, reason=f"{known}; `mlops-train` learns from them once more.")
    if situation.trained_this_month >= policy.max_per_month:
        spent = f"{situation.trained_this_month} trainings this month"
        return Due(due=False, reason=f"{spent}; {policy.max_per_month} are allowed.")
    if situation.fresh_labels < policy.min_fresh_labels:
        few = f"{situation.fresh_labels:,} fresh labels"
        return Due(due=False, reason=f"{few}; {policy.min_fresh_labels:,} are needed.")
    why = "fresh labels since the champion learned" if situation.champion else "labels and no champion yet"
    return Due(due=True, reason=f"{situation.fresh_labels:,} {why}.")

"""Metrics of problems with classes, two or more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.forms import mean_of, share_of, undefined
from prefect_mlops.core.metrics.metric import Metric, Sampled
from prefect_mlops.core.metrics.ranking import area_and_influence, ranking_of

__all__ = ["CLASSES", "MANY_CLASSES"]

Average = Literal["macro", "weighted"]


def _log_loss(answered: Answered) -> np.ndarray:
    told = answered.probabilities
    if told is None:
        return np.full(len(answered), np.nan)
    if told.shape[1] == 2:
        said = np.where(answered.positive, told[:, 1], told[:, 0])
    else:
        said = told[np.arange(len(answered)), answered.y]
    tiny = np.finfo(told.dtype).eps
    return np.asarray(-np.log(np.clip(said, tiny, 1.0 - tiny)))


def _rarest(answered: Answered) -> int:
    return int(answered.counts.min()) if len(answered) else 0


def _balanced(answered: Answered) -> Sampled:
    """The mean of the recalls of the classes that occur."""
    counts = answered.by_class(answered.y)
    known = counts > 0
    share = np.divide(1.0, counts * np.count_nonzero(known), out=np.zeros(len(counts)), where=known)
    hits = answered.by_class(answered.y, answered.right)
    recalls = np.divide(hits, counts, out=np.zeros(len(counts)), where=known)
    if not known.any():
        return undefined(answered)
    return Sampled(
        float(recalls[known].mean()),
        lambda: answered.weighed((answered.right - recalls[answered.y]) * share[answered.y] * answered.whole),
    )


def _areas(average: Average) -> Callable[[Answered], Sampled]:
    """Each class against the others; the mean of the areas, or by how much of each class there is."""

    def sample(answered: Answered) -> Sampled:
        if answered.probabilities is None:
            return undefined(answered)
        found = [
            area_and_influence(answered.y == index, ranking_of(column), answered.weight)
            for index, column in enumerate(answered.probabilities.T)
        ]
        areas = np.array([area for area, _ in found])
        counts = answered.by_class(answered.y)
        shares = np.full(len(areas), 1 / len(areas)) if average == "macro" else counts / answered.whole
        value = float(shares @ areas)

        def influence() -> np.ndarray:
            total = sum(share * each for share, (_, each) in zip(shares, found, strict=True))
            own = answered.weighed(areas[answered.y] - value) if average == "weighted" else 0.0
            return np.asarray(total + own)

        return Sampled(value, influence)

    return sample


def _averaged(hits: int, *, of_said: bool, of_true: bool, average: Average) -> Callable[[Answered], Sampled]:
    """The mean over classes of a ratio of counts; a class of which there is none to count has the ratio 0.

    Args:
        hits: How often a hit counts above the line.
        of_said: Whether rows said to be of the class count below it.
        of_true: Whether rows truly of the class do.
        average: Over the classes that occur or are said, equally or by how many rows each truly has.
    """

    def sample(answered: Answered) -> Sampled:
        if not len(answered):
            return undefined(answered)
        true, said = answered.by_class(answered.y), answered.by_class(answered.labels)
        below = of_true * true + of_said * said
        parts = np.divide(1.0, below, out=np.zeros(len(below)), where=below > 0)
        ratios = hits * answered.by_class(answered.y, answered.right) * parts
        present = (true + said) > 0
        shares = present / np.count_nonzero(present) if average == "macro" else true / answered.whole
        value = float(shares @ ratios)

        def influence() -> np.ndarray:
            up, down = hits * shares * parts, shares * parts * ratios
            each = answered.right * up[answered.y]
            each = each - of_true * down[answered.y] - of_said * down[answered.labels]
            if average == "weighted":
                each = each + (ratios[answered.y] - value) / answered.whole
            return answered.weighed(each * answered.whole)

        return Sampled(value, influence)

    return sample


def _of_classes(name: str, average: Average) -> Metric:
    hits, said, true = {"precision": (1, True, False), "recall": (1, False, True), "f1": (2, True, True)}[name]
    return Metric(
        name=f"{name}_{average}",
        problems=("multiclass",),
        higher_is_better=True,
        sample=_averaged(hits, of_said=said, of_true=true, average=average),
        rests=_rarest if average == "macro" else len,
        scale="logit",
        curved=True,
    )


def _of_areas(average: Average) -> Metric:
    return Metric(
        name=f"roc_auc_ovr_{average}",
        problems=("multiclass",),
        higher_is_better=True,
        sample=_areas(average),
        rests=_rarest,
        scale="logit",
        leans=False,
    )


CLASSES = (
    Metric(
        name="log_loss",
        problems=("binary", "multiclass"),
        higher_is_better=False,
        sample=mean_of(_log_loss),
    ),
    Metric(
        name="accuracy",
        problems=("binary", "multiclass"),
        higher_is_better=True,
        sample=share_of(lambda answered: answered.right),
        scale="wilson",
    ),
    Metric(
        name="balanced_accuracy",
        problems=("binary", "multiclass"),
        higher_is_better=True,
        sample=_balanced,
        rests=_rarest,
        scale="logit",
        curved=True,
    ),
    _of_areas("macro"),
)

MANY_CLASSES = (
    _of_areas("weighted"),
    *(_of_classes(name, average) for name in ("f1", "precision", "recall") for average in ("macro", "weighted")),
)

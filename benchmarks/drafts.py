"""How good a drafted spec is: `prefect-mlops new` beside skrub's tabular pipeline, on the same splits of real tables.

For each table the rows are surveyed, a trainer is chosen, and both are fitted on the same folds of a repeated
cross-validation, on the features that the survey left. The error of a mean difference is Nadeau and Bengio's (2003),
which counts that folds share training rows.

    python -m benchmarks.drafts --results docs/results/bench-drafts.json
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from skrub import tabular_pipeline

from prefect_mlops.core.survey.choosing import choose_trainer, trainers_for
from prefect_mlops.core.survey.drafting import draft_spec, named_rows
from prefect_mlops.core.survey.surveying import survey_rows
from tests.tables import REAL_TABLES, RealTable

FOLDS, REPEATS, ROWS = 5, 3, 10_000
LOWEST = -0.01
"""What an AUC may be lower by, and so the bound of their mean."""
HIGHEST = 0.02
"""What a RMSE may be higher by, as a share."""


def main() -> None:
    """Run the bench and write its figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--results", type=Path)
    asked.add_argument("--tables", nargs="*", default=list(REAL_TABLES))
    given = asked.parse_args()
    warnings.filterwarnings("ignore")
    found = {name: compare(name, REAL_TABLES[name]) for name in given.tables}
    curves = [each for each in found.values() if each["metric"] != "rmse"]
    mean = float(np.mean([each["difference"] for each in curves]))
    error = math.sqrt(sum(each["standard_error"] ** 2 for each in curves)) / len(curves)
    summary = {
        "mean AUC difference": mean,
        "lower bound (one-sided 95%)": mean - 1.645 * error,
        "asked": LOWEST,
        "tables that fall short": [name for name, each in found.items() if not each["met"]],
    }
    print(json.dumps(summary, indent=1))
    if given.results:
        given.results.write_text(json.dumps({"tables": found, "summary": summary}, indent=1) + "\n")


def compare(name: str, table: RealTable) -> dict[str, Any]:
    """One table: the drafted trainer and skrub's pipeline, fold by fold."""
    begun = time.process_time()
    raw = table.rows()
    survey = survey_rows(raw, table.target, time=table.time)
    rows = named_rows(raw, survey)
    if len(rows) > ROWS:
        rows = rows.sample(ROWS, random_state=0).reset_index(drop=True)
    draft = draft_spec(survey, rows, "bench", trainers_for(survey.problem, len(rows))[0])
    choice = choose_trainer(draft, rows)
    spec = draft.model_copy(update={"trainer": choice.trainer})
    drafted = time.process_time() - begun
    target, features = rows[table.target], rows[list(survey.features)]
    regression = survey.problem == "regression"
    split = RepeatedKFold if regression else RepeatedStratifiedKFold
    ours, theirs = [], []
    for taught, judged in split(n_splits=FOLDS, n_repeats=REPEATS, random_state=0).split(features, target.astype(str)):
        model = choice.trainer.fit(spec, rows.iloc[taught])
        peer = tabular_pipeline("regressor" if regression else "classifier")
        peer.fit(features.iloc[taught], target.iloc[taught].to_numpy(dtype=None if regression else str))
        truth = target.iloc[judged]
        if regression:
            ours.append(root_mean_squared_error(truth, model.predict(rows.iloc[judged]).labels))
            theirs.append(root_mean_squared_error(truth, peer.predict(features.iloc[judged])))
            continue
        said = model.predict(rows.iloc[judged]).probabilities
        order = np.argsort([str(label) for label in model.classes])
        ours.append(area(truth.astype(str), said[:, order]))
        theirs.append(area(truth.astype(str), peer.predict_proba(features.iloc[judged])))
    difference = np.array(ours) - np.array(theirs)
    error = math.sqrt((1 / len(difference) + 1 / (FOLDS - 1)) * float(difference.var(ddof=1)))
    share = float(np.mean(ours) / np.mean(theirs) - 1)
    met = share <= HIGHEST if regression else float(difference.mean()) >= LOWEST
    result = {
        "rows": len(rows),
        "problem": survey.problem,
        "problem and roles right": survey.problem == table.problem
        and set(survey.named("category")) == set(table.category),
        "trainer": choice.trainer.estimator.rpartition(".")[2],
        "metric": "rmse" if regression else "auc",
        "ours": float(np.mean(ours)),
        "skrub": float(np.mean(theirs)),
        "difference": float(difference.mean()),
        "standard_error": error,
        "lower bound": float(difference.mean() - stats.t.ppf(0.95, len(difference) - 1) * error),
        "share": share,
        "met": bool(met),
        "seconds to draft": round(drafted, 1),
    }
    print(name, json.dumps(result), flush=True)
    return result


def area(truth: pd.Series, said: np.ndarray) -> float:
    """The area under the ROC curve; the mean over one class against the rest for several."""
    if said.shape[1] == 2:
        return float(roc_auc_score(truth == sorted(truth.unique())[1], said[:, 1]))
    return float(roc_auc_score(truth, said, multi_class="ovr", average="macro", labels=sorted(truth.unique())))


if __name__ == "__main__":
    main()

from .abtest import end_arms, look_again, look_at_arms, place_arm, publish_look, start_arms
from .accepting import accept_labels, accept_rows, load_batch
from .adopting import adopt_version, fetch_source
from .approving import ask_approval, find_lapse, recall_stage, record_lapse, withdraw_candidate
from .beside import compare_beside, plan_beside, try_beside
from .canary import run_canary, run_shadow
from .champions import load_anchor, load_champion, promote_version, read_champion
from .comparing import find_comparison
from .data import describe_recent, load_data, load_labelled_rows, load_recent_rows, pin_versions
from .evaluation import evaluate_candidate, time_candidate
from .experiments import compare_runs, publish_comparison, publish_experiment, report_experiment
from .governance import check_due, record_stage, render_model_card, trace_lineage
from .images import containerize_bento
from .intake import find_waiting, take_batch
from .intake_reports import announce_intake, log_validation, publish_intake
from .judging import judge_candidate, judge_health
from .learning import learn_candidate
from .live_reports import publish_health, publish_rollout
from .monitoring import collect_predictions, observe_model
from .packaging import build_bento
from .publishing import announce, draw_decision, publish_card, publish_decision
from .quarantine import load_quarantined, quarantine_rows, release_quarantined
from .registry import fetch_package, log_candidate
from .reigns import read_reign
from .releases import begin_release, end_release, find_usurper, usurper_watch
from .rollout import (
    choose_rollback,
    deploy_bento,
    finish_rollout,
    foresee_rollout,
    hold_back_champion,
    is_in_service,
    undo_rollout,
    withdraw_version,
)
from .runs import (
    first_writer,
    load_places,
    load_source,
    one_writer,
    run_key,
    run_logger,
    run_name,
    time_of_run,
    turn_to_write,
)
from .scoring import plan_scores, publish_scores, score_windows
from .searching import search_candidate
from .service_health import drop_hold_back, judge_champion, watch_champion
from .staging import stage_bento
from .suites import read_history
from .targets import require_target
from .training import profile_candidate, split_rows, train_candidate, train_in_parts
from .validation import load_suite, validate_data
from .watching import watch_models

__all__ = [
    "accept_labels",
    "accept_rows",
    "adopt_version",
    "announce",
    "announce_intake",
    "ask_approval",
    "begin_release",
    "build_bento",
    "check_due",
    "choose_rollback",
    "collect_predictions",
    "compare_beside",
    "compare_runs",
    "containerize_bento",
    "deploy_bento",
    "describe_recent",
    "draw_decision",
    "drop_hold_back",
    "end_arms",
    "end_release",
    "evaluate_candidate",
    "fetch_package",
    "fetch_source",
    "find_comparison",
    "find_lapse",
    "find_usurper",
    "find_waiting",
    "finish_rollout",
    "first_writer",
    "foresee_rollout",
    "hold_back_champion",
    "is_in_service",
    "judge_candidate",
    "judge_champion",
    "judge_health",
    "learn_candidate",
    "load_anchor",
    "load_batch",
    "load_champion",
    "load_data",
    "load_labelled_rows",
    "load_places",
    "load_quarantined",
    "load_recent_rows",
    "load_source",
    "load_suite",
    "log_candidate",
    "log_validation",
    "look_again",
    "look_at_arms",
    "observe_model",
    "one_writer",
    "pin_versions",
    "place_arm",
    "plan_beside",
    "plan_scores",
    "profile_candidate",
    "promote_version",
    "publish_card",
    "publish_comparison",
    "publish_decision",
    "publish_experiment",
    "publish_health",
    "publish_intake",
    "publish_look",
    "publish_rollout",
    "publish_scores",
    "quarantine_rows",
    "read_champion",
    "read_history",
    "read_reign",
    "recall_stage",
    "record_lapse",
    "record_stage",
    "release_quarantined",
    "render_model_card",
    "report_experiment",
    "require_target",
    "run_canary",
    "run_key",
    "run_logger",
    "run_name",
    "run_shadow",
    "score_windows",
    "search_candidate",
    "split_rows",
    "stage_bento",
    "start_arms",
    "take_batch",
    "time_candidate",
    "time_of_run",
    "trace_lineage",
    "train_candidate",
    "train_in_parts",
    "try_beside",
    "turn_to_write",
    "undo_rollout",
    "usurper_watch",
    "validate_data",
    "watch_champion",
    "watch_models",
    "withdraw_candidate",
    "withdraw_version",
]

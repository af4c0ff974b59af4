"""Which slot gets which share of whose requests, in Envoy's words: routes, mirrors, and who is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from prefect_mlops.core.names import Slot
from prefect_mlops.core.parts import Frozen

__all__ = ["Listening", "Mirror", "Served", "host", "noted"]

TURN = 37
"""By how much of a circle of 100 each rollout turns the places of users; all of them come up in turn."""
ROLLOUT, USER, SLOT, ARM = "x-mlops-rollout", "x-mlops-user", "x-mlops-slot", "x-mlops-arm"
TYPE = "type.googleapis.com/envoy"
BACK_OFF = {"base_interval": "0.005s", "max_interval": "0.05s"}
TRY_SECONDS = 60
"""After so long without an answer a server hangs, and another one is asked."""
UNSENT, LOST, FAILED = "connect-failure,refused-stream,reset-before-request", "reset", "5xx"
"""What is asked again: of the same server what did not reach it, of another what got no answer, or an error as well."""


class Listening(Frozen):
    """How the gateway meets callers.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        most_kilobytes: Larger requests are answered 413.
        token: What callers must bring as `Authorization: Bearer <token>`, or they are answered 401; None for nothing.
    """

    port: int
    most_kilobytes: int = 16384
    token: str | None = None


class Mirror(Frozen):
    """A slot that gets copies of requests, whose answers nobody sees, and of which percentage."""

    slot: Slot
    percent: int = 100


class Served(NamedTuple):
    """What the gateway needs to know of one model.

    Attributes:
        ports: The port of each slot that runs.
        weights: Percent of traffic for each slot.
        rollout: Numbers the deployments; requests are told apart by it.
        user_key: The request header that names a user; each stays where the shares put it. None by default.
        trusted: The champion's slot; requests that go to the other are told `canary`.
        mirror: Who gets copies.
        former: The slot of the champion before this one, which answers what a dead champion cannot.
    """

    ports: Mapping[Slot, int]
    weights: Mapping[Slot, int]
    rollout: int = 0
    user_key: str = ""
    trusted: Slot | None = None
    mirror: Mirror | None = None
    former: Slot | None = None


def host(served: Mapping[str, Served], listening: Listening) -> dict[str, Any]:
    """The one virtual host: a caller without the token is refused before it learns which models there are."""
    routes = [_refusal(listening.token)] if listening.token else []
    for model, state in sorted(served.items()):
        shares = {slot: weight for slot, weight in sorted(state.weights.items()) if weight and slot in state.ports}
        if shares:
            routes.append(_route(model, shares, state))
    limit = {
        "@type": f"{TYPE}.extensions.filters.http.buffer.v3.BufferPerRoute",
        "buffer": {"max_request_bytes": listening.most_kilobytes * 1024},
    }
    kept_here: dict[str, Any] = {"request_headers_to_remove": ["authorization"]} if listening.token else {}
    return {
        "name": "models",
        "domains": ["*"],
        "routes": routes,
        "include_request_attempt_count": True,  # a second attempt was meant for the other slot
        "typed_per_filter_config": {"buffer": limit},
        **kept_here,
    }


def noted() -> dict[str, str]:
    """What the log of requests says of each that was divided, and the header that marks those."""
    return {
        "rollout": f"%REQ({ROLLOUT})%",
        "slot": f"%REQ({SLOT})%",
        "user": f"%REQ({USER})%",
        "chain": "%REQ(x-request-id)%",
        "status": "%RESPONSE_CODE%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "flags": "%RESPONSE_FLAGS%",
        "microseconds": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    }


def _refusal(token: str) -> dict[str, Any]:
    carried = {"name": "authorization", "string_match": {"exact": f"Bearer {token}"}, "invert_match": True}
    said = json.dumps({"error": "Send the header `Authorization: Bearer <token>` with the target's token."})
    return {
        "match": {"prefix": "/", "headers": [{**carried, "treat_missing_header_as_empty": True}]},
        "direct_response": {"status": 401, "body": {"inline_string": said}},
        "response_headers_to_add": [
            _header("www-authenticate", "Bearer"),
            _header("content-type", "application/json"),
        ],
    }


def _route(model: str, shares: Mapping[Slot, int], state: Served) -> dict[str, Any]:
    divided = len(shares) > 1
    followed = divided or (state.former in state.ports and state.former not in shares)
    arcs = _turned(shares, state.rollout * TURN % 100 if state.user_key else 0)
    split: dict[str, Any] = {
        "clusters": [
            {
                "name": f"{model}-{slot}{'-first' * followed}",
                "weight": share,
                "request_headers_to_add": [_header(SLOT, slot), _header(ARM, _arm(slot, state.trusted))],
            }
            for slot, share in arcs
        ]
    }
    retry = {
        "retry_on": FAILED if divided else LOST if followed else UNSENT,
        "num_retries": 1,
        "retry_back_off": BACK_OFF,
        "per_try_timeout": f"{TRY_SECONDS}s",
    }
    longest = TRY_SECONDS * (1 + followed)
    action: dict[str, Any] = {"prefix_rewrite": "/", "timeout": f"{longest}s", "retry_policy": retry}
    if divided and state.user_key:
        action["hash_policy"] = [{"header": {"header_name": state.user_key}}]
        split["use_hash_policy"] = True
    if state.mirror and state.mirror.slot in state.ports:
        action["request_mirror_policies"] = [_copied(model, state.mirror)]
    told: dict[str, Any] = {"request_headers_to_remove": [ROLLOUT, USER]}  # whatever a caller says there
    if divided:
        facts = json.dumps({"model": model, "rollout": state.rollout, "shares": shares})
        told["request_headers_to_add"] = [_header(ROLLOUT, facts), _header(USER, f"%REQ({state.user_key or USER})%")]
    return {"match": {"prefix": f"/{model}/"}, **told, "route": {**action, "weighted_clusters": split}}


def _arm(slot: Slot, trusted: Slot | None) -> str:
    return "canary" if trusted and trusted != slot else "champion"


def _copied(model: str, mirror: Mirror) -> dict[str, Any]:
    return {
        "cluster": f"{model}-{mirror.slot}-shadow",
        "runtime_fraction": {"default_value": {"numerator": mirror.percent, "denominator": "HUNDRED"}},
        "request_headers_mutations": [{"append": _header(ARM, "shadow")}, {"append": _header(SLOT, mirror.slot)}],
        "host_rewrite_literal": f"{model}-shadow",
    }


def _turned(shares: Mapping[Slot, int], turn: int) -> list[tuple[Slot, int]]:
    """The shares as arcs of a circle of 100 that is turned, so that other users than last time meet a canary first.

    One of two slots whose share rises keeps the arc that it has, whatever the turn.
    """
    if len(shares) == 1:
        return list(shares.items())
    arcs, begin = [], turn
    for slot, share in shares.items():
        end = begin + share
        cut = min(max(begin, 100), end)  # where the circle begins anew
        arcs += [(begin % 100, slot, cut - begin), (0 if cut > begin else begin % 100, slot, end - cut)]
        begin = end
    return [(slot, weight) for _, slot, weight in sorted(arcs) if weight > 0]


def _header(name: str, text: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": text}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}

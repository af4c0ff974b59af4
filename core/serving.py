"""How a model is served: what reads it, what a request may hold, what it may cost, and what a target can do."""

from typing import Annotated, Literal

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["Budget", "Capabilities", "Serving"]


class Budget(Frozen):
    """What a staged version may cost. What is absent is measured and told, and refuses nothing."""

    latency_p50_ms: Annotated[float | None, Field(gt=0, description="Half of single-row requests are faster.")] = None
    latency_p99_ms: Annotated[float | None, Field(gt=0, description="All but 1% are faster.")] = None
    requests_per_second: Annotated[
        float | None, Field(gt=0, description="Single-row requests that one server answers at least.")
    ] = None
    memory_mb: Annotated[float | None, Field(gt=0, description="Resident memory after the requests.")] = None
    memory_growth_mb: Annotated[
        float | None, Field(gt=0, description="What 10,000 requests may add to it once it is warm: a leak shows here.")
    ] = 64
    cold_start_seconds: Annotated[
        float | None, Field(gt=0, description="From start to ready; one that takes four times as long is ended.")
    ] = None


class Serving(Frozen):
    """What one version is packaged with."""

    runtime: Annotated[
        Literal["auto", "onnx", "skops"],
        Field(description="What reads the model: ONNX Runtime where it answers as the model does, else skops."),
    ] = "auto"
    tolerance: Annotated[
        float, Field(gt=0, lt=1, description="Difference of served and offline numbers that is still fine.")
    ] = 1e-5
    service: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z_][\w.]*$", description="Module with a team's own `service` instead of ours."),
    ] = None
    most_rows: Annotated[int, Field(gt=0, description="Rows that one request may hold.")] = 1000
    most_kilobytes: Annotated[int, Field(gt=0, description="Size that one request may have.")] = 4096
    timeout_seconds: Annotated[float, Field(gt=0, description="A request that takes longer is ended.")] = 30
    personal: Annotated[
        Literal["left-out", "hashed"], Field(description="What the prediction log does with personal columns.")
    ] = "left-out"
    budget: Budget = Budget()


class Capabilities(Frozen):
    """What a serving target can do; a plan that asks for more is refused before anything is sent.

    Attributes:
        mirror: It can copy requests to a slot whose answers nobody sees.
        sticky_by_key: It keeps a user, known by a request header, on one slot while that slot's share rises.
        failover: A request that the canary fails is answered by the champion, and the caller sees no error.
        requests_listed: It lists each divided request, which the tests of a canary need.
        counters_within_seconds: How old a slot's counters may be.
        smallest_share: The smallest share of traffic, in percent, that a slot can get.
        arms: Among how many versions it can divide the traffic.
    """

    mirror: bool = False
    sticky_by_key: bool = False
    failover: bool = False
    requests_listed: bool = False
    counters_within_seconds: Annotated[float, Field(ge=0)] = 60
    smallest_share: Annotated[float, Field(gt=0, le=100)] = 1
    arms: Annotated[int, Field(ge=2, le=4)] = 2

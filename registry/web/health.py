"""Signs of life, metrics, and what a client has to know about the node."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from exchange.errors import BrokerUnavailable, ExchangeError
from exchange.surroundings import version
from registry.migrate import must_be_at_head
from registry.runtime import Runtime
from registry.web.access import Authenticated, Registry

router = APIRouter()
OK = "ok"
UNAVAILABLE = 503


class Node(BaseModel):
    """The node that the registry governs, and where its broker is."""

    division: str
    name: str
    bootstrap_servers: str
    security_protocol: str


class Health(BaseModel):
    """Whether the process works; ``reasons`` tell what of it has ended."""

    status: str = Field(examples=["ok"])
    version: str = Field(examples=["0.1.0"])
    reasons: dict[str, str] = Field(examples=[{}])


class Readiness(BaseModel):
    """Whether the registry can do its work now; each part is ``ok`` or an error's code, told in ``reasons``."""

    status: str = Field(examples=["ok"])
    database: str = Field(examples=["ok"])
    migrations: str = Field(examples=["ok"])
    broker: str = Field(examples=["ok"])
    enforcement: str = Field(examples=["ok"])
    reasons: dict[str, str] = Field(examples=[{}])


@router.get("/healthz", tags=["health"], responses={UNAVAILABLE: {"model": Health, "description": "Failing / 故障"}})
def healthz(registry: Registry, response: Response) -> Health:
    """Answer 200 while the process works: nothing outside of it is asked, so a restart helps when it does not."""
    ended = [name for name, thread in registry.threads.items() if thread.ident is not None and not thread.is_alive()]
    response.status_code = UNAVAILABLE if ended else 200
    reasons = dict.fromkeys(ended, "its thread has ended; the log tells why")
    return Health(status="failing" if ended else OK, version=version(), reasons=reasons)


@router.get(
    "/readyz", tags=["health"], responses={UNAVAILABLE: {"model": Readiness, "description": "Not ready / 未就绪"}}
)
def readyz(registry: Registry, response: Response) -> Readiness:
    """Answer 200 when database and broker answer, the tables are this version's, and the broker was just compared."""
    checks: dict[str, Callable[[], object]] = {
        "database": registry.database.ping,
        "migrations": lambda: must_be_at_head(registry.database),
        "broker": registry.enforcer.ping,
        "enforcement": lambda: _must_have_compared(registry),
    }
    faults = {name: fault for name, check in checks.items() if (fault := _fault(check)) is not None}
    response.status_code = UNAVAILABLE if faults else 200
    return Readiness(
        status="not ready" if faults else OK,
        reasons={name: fault.message("en") for name, fault in faults.items()},
        **{name: faults[name].code if name in faults else OK for name in checks},
    )


@router.get("/metrics", tags=["health"], response_class=PlainTextResponse)
def metrics(registry: Registry) -> Response:
    """Return all metrics in Prometheus's text format."""
    return Response(registry.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/api/v1/node", tags=["node"])
def node(registry: Registry, _caller: Authenticated) -> Node:
    """Return what a client has to know about the node."""
    settings = registry.settings
    return Node(
        division=settings.node.division,
        name=settings.node.name,
        bootstrap_servers=settings.broker.bootstrap_servers,
        security_protocol=settings.broker.security_protocol,
    )


def _must_have_compared(registry: Runtime) -> None:
    """Raise BrokerUnavailable unless this process or another has compared the whole broker not long ago."""
    stale_s = registry.settings.enforcer.stale_s
    mine = registry.enforcer.compared_ago_s
    if mine is not None and mine <= stale_s:
        return
    other = registry.lease.done_elsewhere()
    if other is not None and (registry.clock() - other).total_seconds() <= stale_s:
        return
    if mine is None:
        raise BrokerUnavailable(reason="not compared yet")
    raise BrokerUnavailable(reason=f"last compared {mine:.0f} s ago, more than enforcer.stale_s = {stale_s:g}")


def _fault(check: Callable[[], object]) -> ExchangeError | None:
    try:
        check()
    except ExchangeError as exc:
        return exc
    return None

"""Signs of life, metrics, and what a client has to know about the node."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from exchange.errors import BrokerUnavailable, ExchangeError
from registry.web.access import Authenticated, Registry

router = APIRouter()


class Node(BaseModel):
    """The node that the registry governs, and where its broker is."""

    division: str
    name: str
    bootstrap_servers: str
    security_protocol: str


@router.get("/healthz", tags=["health"])
def healthz() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["health"], responses={503: {"model": dict[str, str], "description": "Not ready / 未就绪"}})
def readyz(registry: Registry, response: Response) -> dict[str, str]:
    """Answer 200 when database and broker answer and the whole broker was compared once."""
    parts = {
        "database": _works(registry.database.ping),
        "broker": _works(registry.enforcer.ping),
        "enforcement": _works(lambda: _must_have_compared(registry)),
    }
    ready = all(state == "ok" for state in parts.values())
    response.status_code = 200 if ready else 503
    return {"status": "ok" if ready else "not ready", **parts}


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


def _must_have_compared(registry: Registry) -> None:
    if not registry.enforcer.compared and not registry.lease.done_elsewhere():
        raise BrokerUnavailable(reason="not compared yet")


def _works(check: Callable[[], object]) -> str:
    try:
        check()
    except ExchangeError as exc:
        return exc.code
    return "ok"

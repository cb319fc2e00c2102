"""The registry as a process of the node, and its answers about its own health."""

from __future__ import annotations

import os
import sys
from email.utils import parsedate_to_datetime

import httpx

from exchange.errors import RegistryUnavailable
from exchange.node.layout import Layout, checkout
from exchange.node.part import Part
from exchange.node.settings import NodeSettings
from exchange.text import Text

STOP_TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 5.0


def registry_part(layout: Layout) -> Part:
    """Return the registry's process."""
    log = layout.logs / "registry.log"
    return Part(Text("The registry", "登记中心"), layout.run / "registry.pid", (log,), STOP_TIMEOUT_S)


def start_registry(settings: NodeSettings, layout: Layout) -> None:
    """Start the registry; it does not answer yet when this returns."""
    registry_part(layout).start(
        [sys.executable, "-m", "registry", "serve"], environment(settings, layout), directory=layout.data_dir
    )


def environment(settings: NodeSettings, layout: Layout) -> dict[str, str]:
    """Return the registry's environment: this process's, with the node's facts over it."""
    node, kafka = settings.node, settings.kafka
    facts = {
        "EXCHANGE_REGISTRY_HOST": node.host,
        "EXCHANGE_REGISTRY_PORT": str(node.registry_port),
        "EXCHANGE_REGISTRY_ISSUER": settings.registry_url,
        "EXCHANGE_REGISTRY_DATA_DIR": str(layout.registry),
        "EXCHANGE_NODE_DIVISION": node.division,
        "EXCHANGE_NODE_NAME": node.name,
        "EXCHANGE_BROKER_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "EXCHANGE_BROKER_SECURITY_PROTOCOL": "SASL_PLAINTEXT" if settings.embedded else kafka.security_protocol,
        "EXCHANGE_BROKER_JWKS_FILE": str(layout.jwks),
    }
    if kafka.ca_file:
        facts["EXCHANGE_BROKER_CA_FILE"] = str(kafka.ca_file.resolve())
    path = os.pathsep.join(part for part in (str(checkout()), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **facts}


def probe(url: str, path: str) -> httpx.Response:
    """Return the registry's answer to GET ``path``. Errors: RegistryUnavailable."""
    try:
        return httpx.get(url + path, timeout=PROBE_TIMEOUT_S, trust_env=False)  # no proxy towards one's own machine
    except httpx.HTTPError as exc:
        raise RegistryUnavailable(url=url, reason=str(exc) or exc.__class__.__name__) from exc


def answers(url: str, path: str) -> str:
    """Return "" when GET ``path`` succeeds, else why not."""
    try:
        response = probe(url, path)
    except RegistryUnavailable as exc:
        return str(exc.facts["reason"])
    return "" if response.is_success else f"HTTP {response.status_code} {response.text[:200]}"


def ask(url: str, path: str) -> httpx.Response | None:
    """Return what GET ``path`` answers, whatever it is; None when nobody does."""
    try:
        return probe(url, path)
    except RegistryUnavailable:
        return None


def clock_of(response: httpx.Response) -> float | None:
    """Return the server's clock as seconds since the epoch, None when it does not tell."""
    date = response.headers.get("date")
    return parsedate_to_datetime(date).timestamp() if date else None

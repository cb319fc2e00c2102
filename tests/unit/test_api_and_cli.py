"""Each capability is in both the API and the command line: an endpoint without its command fails here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from exchange.cli.main import app
from tests.integration.registry.test_permissions import ROWS

API = "/api/v1/"
# What only programs ask: adapters, Prometheus, and what comes with another answer.
FOR_PROGRAMS = {
    "POST adapters": "the adapter's heartbeat",
    "GET prometheus/targets": "Prometheus' service discovery",
    "GET node": "what a client is told of the broker",
    "GET resources/{resource}/contract": "what an adapter is told",
    "GET systems/self": "what an adapter is told",
    "POST receipt-keys": "what SDK and adapters tell at each start",
}
COMMANDS = {
    "GET adapters": "top",
    "GET audit/entries": "audit list",
    "GET audit/entries/{number}": "audit show",
    "GET audit/export": "audit export",
    "GET audit/heads": "audit verify",
    "POST audit/heads": "audit export",
    "GET audit/heads/published": "audit verify",
    "GET audit/keys": "audit verify",
    "GET authorities": "org authorities",
    "GET authorities/{division}": "org authorities",
    "PUT authorities/{division}": "org set-authority",
    "DELETE authorities/{division}": "org end-authority",
    "GET certificate-keys": "certificate keys",
    "GET certificates": "certificate list",
    "GET certificates/{certificate_id}": "certificate show",
    "GET catalogue/dcat": "catalog dcat",
    "GET catalogue/export": "catalog export",
    "POST catalogue/import": "catalog import",
    "GET classifications": "catalog tree",
    "GET classifications/{code}": "catalog tree",
    "PUT classifications/{code}": "catalog classify",
    "DELETE classifications/{code}": "catalog unclassify",
    "GET codes": "catalog codes",
    "GET codes/{table}": "catalog codes",
    "GET departments": "org departments",
    "POST departments": "org add",
    "GET departments/{department_id}": "org departments",
    "PATCH departments/{department_id}": "org change",
    "POST departments/{department_id}/merge": "org merge",
    "POST departments/{department_id}/split": "org split",
    "GET differences": "difference list",
    "GET differences/{difference_id}": "difference show",
    "POST differences/{difference_id}/close": "difference close",
    "GET divisions": "org divisions",
    "POST divisions": "org add-division",
    "GET divisions/{code}": "org divisions",
    "POST divisions/{code}/end": "org end-division",
    "POST divisions/{code}/rename": "org rename-division",
    "GET drift": "drift list",
    "GET evaluations": "evaluation list",
    "POST evaluations": "evaluation make",
    "GET evaluations/{evaluation_id}": "evaluation show",
    "GET evaluations/{evaluation_id}/appeals": "evaluation appeals",
    "POST evaluations/{evaluation_id}/appeals": "evaluation appeal",
    "POST evaluations/{evaluation_id}/appeals/{appeal_id}/answer": "evaluation answer",
    "GET evaluations/{evaluation_id}/facts": "evaluation facts",
    "GET evaluations/{evaluation_id}/report": "evaluation report",
    "GET evaluations/{evaluation_id}/scores": "evaluation scores",
    "GET evaluations/{evaluation_id}/scores/{department_id}": "evaluation department",
    "GET grants": "grant list",
    "GET grants/{grant_id}": "grant show",
    "POST grants/{grant_id}/renew": "request renew",
    "POST grants/{grant_id}/resume": "grant resume",
    "POST grants/{grant_id}/revoke": "grant revoke",
    "POST grants/{grant_id}/suspend": "grant suspend",
    "POST keys/rotate": "key rotate",
    "GET lists/{kind}": "catalog lists",
    "GET lists/{kind}/export": "catalog lists",
    "GET me": "whoami",
    "GET nodes": "org nodes",
    "POST nodes": "org add-node",
    "GET nodes/{code}": "org nodes",
    "PATCH nodes/{code}": "org change-node",
    "GET notices": "notice list",
    "GET objections": "objection list",
    "POST objections": "objection new",
    "GET objections/{objection_id}": "objection show",
    "POST objections/{objection_id}/accept": "objection accept",
    "POST objections/{objection_id}/archive": "objection archive",
    "POST objections/{objection_id}/close": "objection close",
    "POST objections/{objection_id}/correct": "objection correct",
    "POST objections/{objection_id}/mark": "objection mark",
    "POST objections/{objection_id}/verify": "objection verify",
    "GET quality": "quality worst",
    "GET reconciliation": "difference totals",
    "POST provenance": "trace",
    "POST request-batches": "request new",
    "GET requests": "request list",
    "POST requests": "request new",
    "GET requests/{request_id}": "request show",
    "PATCH requests/{request_id}": "request edit",
    "POST requests/{request_id}/approve": "request approve",
    "POST requests/{request_id}/dispute": "request dispute",
    "POST requests/{request_id}/refuse": "request refuse",
    "POST requests/{request_id}/review": "request review",
    "POST requests/{request_id}/withdraw": "request withdraw",
    "GET resources": "catalog search",
    "POST resources": "catalog import",
    "GET resources/{resource}": "catalog show",
    "PATCH resources/{resource}": "catalog import",
    "DELETE resources/{resource}": "catalog remove",
    "GET resources/{resource}/clashes": "catalog clashes",
    "GET resources/{resource}/diff": "catalog diff",
    "GET resources/{resource}/quality": "quality show",
    "PUT resources/{resource}/items": "catalog import",
    "POST resources/{resource}/publish": "catalog publish",
    "POST resources/{resource}/return": "catalog return",
    "POST resources/{resource}/submit": "catalog submit",
    "GET resources/{resource}/versions": "catalog diff",
    "POST resources/{resource}/withdraw": "catalog withdraw",
    "GET systems": "system list",
    "POST systems": "system add",
    "GET systems/{client_id}": "system list",
    "PATCH systems/{client_id}": "system rename",
    "POST systems/{client_id}/activate": "system on",
    "POST systems/{client_id}/deactivate": "system off",
    "PUT systems/{client_id}/key": "system key",
    "POST systems/{client_id}/secret": "system secret",
    "GET systems/{client_id}/receipt-keys": "system receipt-keys",
    "POST systems/{client_id}/receipt-keys/{kid}/end": "system end-receipt-key",
    "GET systems/{client_id}/webhook": "system webhook",
    "PUT systems/{client_id}/webhook": "system set-webhook",
    "DELETE systems/{client_id}/webhook": "system end-webhook",
    "GET users": "user list",
    "POST users": "user add",
    "GET users/{name}": "user list",
    "PATCH users/{name}": "user change",
    "POST users/{name}/activate": "user on",
    "POST users/{name}/deactivate": "user off",
    "POST users/{name}/password": "user reset",
}


def commands(group: Any, *words: str) -> Iterator[str]:
    inner = getattr(group, "commands", None)
    if inner is None:
        yield " ".join(words)
    else:
        for name, command in inner.items():
            yield from commands(command, *words, name)


def test_each_endpoint_has_its_command() -> None:
    endpoints = {f"{row.method} {row.path.removeprefix(API)}" for row in ROWS if row.path.startswith(API)}
    assert endpoints - set(COMMANDS) - set(FOR_PROGRAMS) == set(), "an endpoint without a command"
    assert (set(COMMANDS) | set(FOR_PROGRAMS)) - endpoints == set(), "a row without an endpoint"
    assert not set(COMMANDS) & set(FOR_PROGRAMS)


def test_each_command_that_is_named_exists() -> None:
    assert set(COMMANDS.values()) - set(commands(typer.main.get_command(app))) == set()

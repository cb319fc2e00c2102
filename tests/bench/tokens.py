"""How many tokens a second the registry issues to systems, over HTTP."""

from __future__ import annotations

import itertools

from tests.bench.book import Bench, rounds
from tests.bench.lone_registry import form_request, lone_registry, rate

SYSTEMS = 20


def run(bench: Bench) -> None:
    """Ask for tokens with client_id and secret, twenty systems in turns."""
    with lone_registry() as registry:
        root = registry.first_user("admin")
        forms = [registry.system(number, root) for number in range(1, SYSTEMS + 1)]
        turns = itertools.cycle([form_request("/oauth2/token", form) for form in forms])
        (issued,) = rounds(lambda: rate(registry.port, lambda: next(turns)))
    bench.add("tokens.issue", issued, "tokens/s")

"""Who may call what about signing in, and the node."""

from __future__ import annotations

from tests.support.permissions.matrix import EVERYBODY, NO_AUDITOR, Call, Row, Stage, nothing, public


def reconciled(stage: Stage) -> Call:
    reader = stage.world.office("440700", stage.word("reader"))
    resource = stage.world.resource(stage.home)
    stage.world.grant(stage.home, reader, resource)
    return Call("/api/v1/reconciliation", params={"resource": resource, "client_id": reader.client_id})


OWN = dict.fromkeys(("department_admin", "data_owner", "developer", "system"), "+---")

ROWS = (
    public("GET", "/docs"),
    public("GET", "/docs/oauth2-redirect"),
    public("GET", "/redoc"),
    Row("GET", "/api/v1/reconciliation", reconciled, {**OWN, "system_admin": "++--"}),
    public("POST", "/oauth2/token"),
    public("POST", "/oauth2/password"),
    public("GET", "/oauth2/jwks"),
    public("GET", "/oauth2/oidc/login"),
    public("GET", "/oauth2/oidc/callback"),
    public("GET", "/healthz"),
    public("GET", "/readyz"),
    public("GET", "/metrics"),
    Row("POST", "/api/v1/keys/rotate", nothing("/api/v1/keys/rotate"), {"security_admin": "----+"}),
    Row("GET", "/api/v1/me", nothing("/api/v1/me"), EVERYBODY),
    Row("GET", "/api/v1/node", nothing("/api/v1/node"), NO_AUDITOR),
)

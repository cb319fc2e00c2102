"""The settings of the registry: one TOML file, ``EXCHANGE_*`` variables over it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from exchange.config import Group
from exchange.settings import LogSettings, TracingSettings


class RegistryGroup(Group):
    """Where the registry answers, and what it keeps."""

    host: str = Field(default="127.0.0.1", description="address that it listens on", examples=["127.0.0.1"])
    port: int = Field(default=8440, ge=0, le=65535, description="port that it listens on; 0: any free one")
    issuer: str = Field(default="exchange", min_length=1, description="`iss` of the tokens", examples=["exchange"])
    data_dir: Path = Field(default=Path("var/registry"), description="keys and the default database")
    token_ttl_s: int = Field(default=900, ge=60, le=86400, description="seconds that a token is valid")
    key_delay_s: int = Field(default=10, ge=0, description="seconds from a new key's publication to its first use")
    receipt_grace_s: int = Field(default=60, ge=0, description="seconds until what has not landed counts as lost")


class AccountsGroup(Group):
    """How people and systems sign in."""

    lock_after: int = Field(default=5, ge=1, le=100, description="wrong passwords in a row that lock an account")
    lock_minutes: int = Field(default=15, ge=1, le=10080, description="minutes that it stays locked")
    password_days: int = Field(default=90, ge=1, le=3650, description="days after which a password has to be changed")
    password_history: int = Field(default=5, ge=1, le=24, description="last passwords that are not taken again")
    change_first: bool = Field(
        default=True, description="a password that an administrator gave has to be changed before the first sign-in"
    )
    assertion_max_s: int = Field(
        default=300, ge=10, le=3600, description="longest life of a system's signed assertion (private_key_jwt)"
    )


class OidcGroup(Group):
    """Signing people in through an OpenID Connect provider; none without an issuer."""

    issuer: str | None = Field(
        default=None, pattern=r"^https?://", description="the provider", examples=["https://id.example.gov.cn"]
    )
    client_id: str = Field(default="exchange", min_length=1, description="the registry's own name at the provider")
    client_secret: SecretStr | None = Field(default=None, description="its secret there")
    redirect_url: str = Field(
        default="http://127.0.0.1:8440/oauth2/oidc/callback",
        pattern=r"^https?://",
        description="where the provider sends people back to: this registry's /oauth2/oidc/callback",
    )
    scope: str = Field(default="openid email", pattern=r"^openid( \S+)*$", description="what is asked of the provider")
    session_s: int = Field(
        default=28_800,
        ge=60,
        le=86_400,
        description="seconds that a terminal stays signed in after a browser's sign-in",
    )
    match: Literal["sub", "email"] = Field(default="sub", description="the claim that names the user here")
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="seconds to wait for one answer of the provider")


class DatabaseGroup(Group):
    """The registry's own database; without a url, SQLite in the data directory."""

    url: str | None = Field(
        default=None, description="SQLAlchemy URL", examples=["postgresql+psycopg://exchange@db.example/exchange"]
    )
    password: SecretStr | None = Field(default=None, description="the database user's password")


class NodeGroup(Group):
    """The exchange node that this registry governs."""

    division: str = Field(
        default="440000", pattern=r"^\d{6}$", description="GB/T 2260 code of the node", examples=["440000"]
    )
    name: str = Field(default="广东省交换节点", description="name of the node", examples=["广东省交换节点"])


class BrokerGroup(Group):
    """The Kafka cluster that this registry governs."""

    bootstrap_servers: str = Field(
        default="127.0.0.1:9440", description="host:port, comma-separated", examples=["127.0.0.1:9440"]
    )
    security_protocol: Literal["SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="SASL_PLAINTEXT", description="SASL_SSL outside of one machine"
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of the brokers", examples=["ca.pem"])
    jwks_file: Path | None = Field(
        default=None,
        description="file in which an embedded broker finds the keys; none: the broker asks /oauth2/jwks",
        examples=["jwks.json"],
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="seconds to wait for one answer of the broker")


class EnforcerGroup(Group):
    """How the broker is held equal to the grants."""

    interval_s: float = Field(default=30.0, gt=0, description="seconds between two full comparisons")
    stale_s: float = Field(
        default=120.0, gt=0, le=86400, description="seconds without a full comparison until /readyz says so"
    )
    unknown_acls: Literal["remove", "report"] = Field(
        default="remove", description="what happens to ACLs of principals that the registry does not know"
    )
    preserve_principals: list[str] = Field(
        default=[], description="principals whose ACLs are left alone", examples=["User:operator"]
    )
    fence: bool = Field(default=True, description="complete parked fetches after a revocation")


class SharingGroup(Group):
    """The clock of requests, in working days (工作日), and what goes with it."""

    review: bool = Field(default=False, description="the authority of the tier sees conditional requests first")
    review_days: int = Field(default=2, ge=1, le=250, description="working days for the authority's review")
    decide_days: int = Field(default=10, ge=1, le=250, description="working days for the provider's decision")
    dispute_days: int = Field(default=10, ge=1, le=250, description="working days to dispute, and to decide a dispute")
    remind_days: int = Field(default=2, ge=0, le=250, description="working days before the end that a reminder comes")
    calendar_file: Path | None = Field(
        default=None, description="TOML file with days `off` and `worked`, over the library", examples=["calendar.toml"]
    )


class ObjectionsGroup(Group):
    """The deadlines of objections, in working days (工作日)."""

    accept_days: int = Field(default=2, ge=1, le=250, description="working days to accept and to mark")
    verify_days: int = Field(default=10, ge=1, le=250, description="working days to verify what is marked")
    correct_days: int = Field(default=10, ge=1, le=250, description="working days to correct and to close")


class NoticesGroup(Group):
    """How systems are told: where webhooks may lead, and how long they are tried."""

    interval_s: float = Field(default=1.0, gt=0, le=60, description="seconds between two rounds of delivery")
    webhook_networks: list[str] = Field(
        default=[],
        description="private networks that webhooks may lead to; 127.0.0.0/8 among them allows http too",
        examples=["10.0.0.0/8"],
    )
    webhook_timeout_s: float = Field(default=5.0, gt=0, le=30, description="seconds to wait for a webhook's answer")
    webhook_backoff_s: float = Field(default=2.0, gt=0, le=600, description="seconds before the first retry")
    webhook_give_up_h: float = Field(default=72.0, gt=0, le=720, description="hours until a notice is given up")


class AuditGroup(Group):
    """The audit: how its entries are chained, and how often the chain's head is signed."""

    hash: Literal["sha256", "sm3"] = Field(
        default="sha256", description="hash of the entries from this start on", examples=["sm3"]
    )
    head_interval_s: float = Field(
        default=60.0, gt=0, le=86400, description="seconds between two signed heads, on the bus and in a file"
    )


class LimitsGroup(Group):
    """How much one client may ask of one process; 0 means without a limit."""

    requests_per_s: float = Field(default=1000.0, ge=0, description="requests a second of one account")
    requests_burst: int = Field(default=4000, ge=1, description="requests of one account at once")
    tokens_per_s: float = Field(default=1000.0, ge=0, description="token requests a second of one name at one address")
    tokens_burst: int = Field(default=2000, ge=1, description="token requests of one name at one address at once")
    failures_per_s: float = Field(default=20.0, ge=0, description="bad tokens or log-ins a second of one client")
    failures_burst: int = Field(default=500, ge=1, description="bad tokens or log-ins of one client at once")


class MetricsGroup(Group):
    """Who watches, and when something counts as silent."""

    monitors: list[str] = Field(
        default=[],
        description="systems that may list all running adapters: the one that Prometheus logs in as",
        examples=["440000-jk-prometheus"],
    )
    refresh_s: float = Field(default=15.0, ge=0, le=3600, description="oldest that counts from the database may be")
    slow_refresh_s: float = Field(
        default=300.0, ge=0, le=86400, description="the same of drift and evaluation, which change by the day"
    )
    silent_s: float = Field(default=60.0, gt=0, le=86400, description="seconds without a word of an adapter")


class ReconciliationGroup(Group):
    """How often receipts are matched."""

    interval_s: float = Field(default=5.0, gt=0, le=3600, description="seconds between two rounds of matching")
    signatures: Literal["accept", "require"] = Field(
        default="accept", description="receipts without a signature: count them, or refuse them", examples=["require"]
    )
    certificate_after_s: int = Field(
        default=3600, ge=0, le=86400, description="seconds after a day's end (UTC+8) until its certificates are issued"
    )


class EvaluationGroup(Group):
    """The evaluation of departments (绩效评价): what each indicator weighs, and the limits in its formulas.

    An indicator that weighs 0 is shown and does not count in the score.
    """

    weight_collection: float = Field(default=25.0, ge=0, le=100, description="weight of the collection rate (采集率)")
    weight_answers: float = Field(default=15.0, ge=0, le=100, description="weight of requests answered in time")
    weight_freshness: float = Field(default=20.0, ge=0, le=100, description="weight of freshness kept")
    weight_quality: float = Field(default=15.0, ge=0, le=100, description="weight of data quality")
    weight_reconciliation: float = Field(default=10.0, ge=0, le=100, description="weight of reconciliation")
    weight_use: float = Field(default=10.0, ge=0, le=100, description="weight of the use of granted data")
    weight_objections: float = Field(default=5.0, ge=0, le=100, description="weight of objections handled in time")
    use_days: int = Field(
        default=15, ge=1, le=366, description="days of the period that a grant stands before its use is asked for"
    )
    difference_days: int = Field(
        default=5, ge=0, le=250, description="working days in which a difference has to be closed"
    )
    appeal_days: int = Field(default=10, ge=1, le=250, description="working days in which a figure can be appealed")
    zombie_days: int = Field(
        default=30, ge=1, le=3650, description="days after publication without data that make an entry a zombie"
    )
    unused_days: int = Field(default=90, ge=1, le=3650, description="days without a landing that make a grant unused")
    font_file: Path | None = Field(
        default=None,
        description="TrueType font that the PDF report embeds; none: wqy-microhei or wqy-zenhei where it is installed",
        examples=["/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"],
    )


class ApiGroup(Group):
    """Habits of the API."""

    require_if_match: bool = Field(
        default=False, description="refuse changes of resources, accounts and places without If-Match (428)"
    )
    answers_h: int = Field(default=24, ge=1, le=720, description="hours that an answer is kept for its Idempotency-Key")


class Settings(Group):
    """All settings of the registry."""

    registry: RegistryGroup = RegistryGroup()
    accounts: AccountsGroup = AccountsGroup()
    oidc: OidcGroup = OidcGroup()
    database: DatabaseGroup = DatabaseGroup()
    node: NodeGroup = NodeGroup()
    broker: BrokerGroup = BrokerGroup()
    enforcer: EnforcerGroup = EnforcerGroup()
    sharing: SharingGroup = SharingGroup()
    objections: ObjectionsGroup = ObjectionsGroup()
    notices: NoticesGroup = NoticesGroup()
    audit: AuditGroup = AuditGroup()
    limits: LimitsGroup = LimitsGroup()
    reconciliation: ReconciliationGroup = ReconciliationGroup()
    metrics: MetricsGroup = MetricsGroup()
    evaluation: EvaluationGroup = EvaluationGroup()
    api: ApiGroup = ApiGroup()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()

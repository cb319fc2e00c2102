"""The peers' settings: what Kafka and Debezium ship or advise; docs/performance.md lists them."""

from __future__ import annotations

import json

from exchange.node.ports import LOOPBACK
from exchange.node.postgres import OWNER

# As bin/connect-standalone.sh and bin/kafka-run-class.sh start a worker
JVM = [
    "-Xms256M",
    "-Xmx2G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
]
PLAIN_JSON = "org.apache.kafka.connect.json.JsonConverter"
WORKER = {
    "key.converter": PLAIN_JSON,
    "key.converter.schemas.enable": "false",
    "value.converter": PLAIN_JSON,
    "value.converter.schemas.enable": "false",
    "plugin.discovery": "service_load",
    "offset.flush.interval.ms": "10000",
    "producer.compression.type": "lz4",
    "producer.linger.ms": "5",
    "producer.batch.size": "524288",
    "producer.buffer.memory": "67108864",
    "consumer.max.poll.records": "5000",
    "consumer.fetch.min.bytes": "1",
    "consumer.fetch.max.bytes": "52428800",
    "consumer.max.partition.fetch.bytes": "10485760",
    "consumer.auto.offset.reset": "earliest",
}


def source(name: str, port: int, password: str, database: str, table: str, mode: str) -> dict[str, str]:
    """Return Debezium's PostgreSQL connector; its topic is ``<name>.public.<table>``."""
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": LOOPBACK,
        "database.port": str(port),
        "database.user": OWNER,
        "database.password": password,
        "database.dbname": database,
        "topic.prefix": name,
        "table.include.list": f"public.{table}",
        "plugin.name": "pgoutput",
        "slot.name": name,
        "slot.drop.on.stop": "true",
        "publication.name": name,
        "publication.autocreate.mode": "filtered",
        "snapshot.mode": mode,
        "snapshot.fetch.size": "20000",
        "max.batch.size": "20000",
        "max.queue.size": "81920",
        "poll.interval.ms": "10",
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.message.timestamp.type": "LogAppendTime",
    }


def sink(topic: str, port: int, password: str, database: str) -> dict[str, str]:
    """Return Debezium's JDBC sink into the table ``persons``; the schema stands in its settings, not in each record."""
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "connection.url": f"jdbc:postgresql://{LOOPBACK}:{port}/{database}?reWriteBatchedInserts=true",
        "connection.username": OWNER,
        "connection.password": password,
        "collection.name.format": "persons",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "use.reduction.buffer": "true",
        "batch.size": "5000",
        "key.converter": PLAIN_JSON,
        "key.converter.schemas.enable": "true",
        "key.converter.schema.content": json.dumps({"type": "struct", "optional": False, "fields": FIELDS[:1]}),
        "value.converter": PLAIN_JSON,
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps({"type": "struct", "optional": True, "fields": FIELDS}),
    }


def _texts(*names: str) -> list[dict[str, object]]:
    return [{"field": name, "type": "string", "optional": name not in {"gmsfhm", "xm"}} for name in names]


FIELDS: list[dict[str, object]] = [
    *_texts("gmsfhm", "xm", "xbdm", "mzdm"),
    {"field": "csrq", "type": "int32", "optional": True, "name": "io.debezium.time.Date", "version": 1},
    *_texts("hjdxzqh", "hjdz", "lxdh"),
    {
        "field": "sr",
        "type": "bytes",
        "optional": True,
        "name": "org.apache.kafka.connect.data.Decimal",
        "version": 1,
        "parameters": {"scale": "2", "connect.decimal.precision": "12"},
    },
    {
        "field": "gxsj",
        "type": "string",
        "optional": True,
        "name": "io.debezium.time.ZonedTimestamp",
        "version": 1,
    },
]

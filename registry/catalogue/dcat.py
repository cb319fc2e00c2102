"""The published catalogue as DCAT 3 (JSON-LD), for portals and other catalogues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from registry.catalogue import codes
from registry.catalogue.domain import UpdateCycle
from registry.catalogue.models import Resource

CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "adms": "http://www.w3.org/ns/adms#",
    "exchange": "urn:exchange:terms:",
}
FREQUENCY = "http://publications.europa.eu/resource/authority/frequency/"
FREQUENCIES = {
    UpdateCycle.REAL_TIME: "UPDATE_CONT",
    UpdateCycle.DAILY: "DAILY",
    UpdateCycle.WEEKLY: "WEEKLY",
    UpdateCycle.MONTHLY: "MONTHLY",
    UpdateCycle.QUARTERLY: "QUARTERLY",
    UpdateCycle.HALF_YEARLY: "ANNUAL_2",
    UpdateCycle.YEARLY: "ANNUAL",
    UpdateCycle.IRREGULAR: "IRREG",
    UpdateCycle.OTHER: "OTHER",
}
RIGHTS = "http://publications.europa.eu/resource/authority/access-right/"
RIGHTS_OF = {1: "RESTRICTED", 2: "RESTRICTED", 3: "NON_PUBLIC"}


def catalogue(node: str, name: str, broker: str, resources: Iterable[Resource]) -> dict[str, Any]:
    """Return a dcat:Catalog with a dcat:Dataset for each resource, each with its topic as dcat:Distribution.

    ``node``: the division of the node; ``broker``: host:port of its brokers.
    """
    return {
        "@context": CONTEXT,
        "@id": f"urn:exchange:node:{node}",
        "@type": "dcat:Catalog",
        "dct:title": {"@value": name, "@language": "zh"},
        "dct:language": "zh",
        "dcat:dataset": [_dataset(resource, broker) for resource in resources],
    }


def _dataset(resource: Resource, broker: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@id": f"urn:exchange:resource:{resource.slug}",
        "@type": "dcat:Dataset",
        "dct:identifier": resource.code,
        "dct:title": _chinese(resource.name),
        "dct:description": _chinese(resource.summary),
        "dct:publisher": {
            "@id": f"urn:uscc:{resource.department.uscc}",
            "@type": "foaf:Organization",
            "foaf:name": _chinese(resource.department.name),
        },
        "dct:accrualPeriodicity": {"@id": FREQUENCY + FREQUENCIES[UpdateCycle(resource.update_cycle)]},
        "dct:accessRights": {"@id": RIGHTS + ("PUBLIC" if resource.open else RIGHTS_OF[resource.sharing_type])},
        "dct:rights": _chinese(_rights(resource)),
        "dcat:theme": {"@id": f"urn:exchange:classification:{resource.classification}"},
        "dcat:version": str(resource.version),
        "dcat:distribution": [_distribution(resource, broker)],
    }
    if resource.published_at:
        found["dct:issued"] = _instant(resource.published_at.isoformat())
    if resource.last_data_at:
        found["dct:modified"] = _instant(resource.last_data_at.isoformat())
    if resource.related:
        found["dct:relation"] = [
            {"@id": f"urn:exchange:resource:{code.replace('/', '-')}"} for code in resource.related
        ]
    return found


def _distribution(resource: Resource, broker: str) -> dict[str, Any]:
    return {
        "@id": f"urn:exchange:topic:{resource.topic}",
        "@type": "dcat:Distribution",
        "dct:title": resource.topic,
        "dct:format": "avro",
        "dcat:mediaType": {"@id": "http://www.iana.org/assignments/media-types/application/vnd.apache.avro"},
        "dcat:accessURL": {"@id": f"kafka://{broker.split(',', maxsplit=1)[0]}/{resource.topic}"},
        "adms:schema": f"{resource.topic}-value",
    }


def _rights(resource: Resource) -> str:
    label = codes.table("sharing_type").label_of(resource.sharing_type, "zh")
    return f"{label}：{resource.sharing_condition}" if resource.sharing_condition else label


def _chinese(text: str) -> dict[str, str]:
    return {"@value": text, "@language": "zh"}


def _instant(text: str) -> dict[str, str]:
    return {"@value": text, "@type": "xsd:dateTime"}

"""The AsyncAPI document of the control topics, from the catalogue of facts."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from pelton.contracts.fact import Fact
from pelton.contracts.topics import CONTROL_OWNERS, control_topic

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NUMBER: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]+$"}
_ATTRIBUTES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {"type": "string", "format": "uuid", "description": "UUIDv7"},
    "ce_subject": _TEXT | {"description": "The aggregate, e.g. `models/flight-delay`; also the record's key"},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_correlationid": _TEXT | {"description": "The whole story that the fact belongs to"},
    "ce_causationid": _TEXT | {"description": "The record that led straight to this one"},
    "ce_actor": _TEXT,
    "ce_streamversion": _NUMBER | {"description": "The fact's place among those of its aggregate, from 1"},
    "ce_position": _NUMBER | {"description": "The fact's place among all of its owner, from 1, without a gap"},
    "ce_traceparent": _TEXT,
    "traceparent": _TEXT,
    "content-type": {"type": "string", "const": "application/json"},
}
_OPTIONAL: Final = ("ce_causationid", "ce_traceparent", "traceparent")


def asyncapi(facts: Mapping[str, type[Fact]], version: str) -> dict[str, Any]:
    """An AsyncAPI 3.0 document: a channel for each control topic, a message for each of these facts, by type."""
    payloads, schemas = models_json_schema(
        [(fact, "validation") for fact in facts.values()], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pelton",
            "version": version,
            "description": "Facts on Kafka, as CloudEvents 1.0 in binary mode. Readers ignore fields they do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {owner: _channel(owner, facts) for owner in CONTROL_OWNERS},
        "operations": {
            f"publish_{owner}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{owner}"},
                "summary": f"The {owner} service alone publishes here.",
            }
            for owner in CONTROL_OWNERS
        },
        "components": {
            "messages": {type_: _message(type_, fact, payloads[fact, "validation"]) for type_, fact in facts.items()},
            "schemas": schemas["$defs"],
        },
    }


def _channel(owner: str, facts: Mapping[str, type[Fact]]) -> dict[str, Any]:
    own = [type_ for type_, fact in facts.items() if fact.fact_owner == owner]
    return {
        "address": control_topic(owner),
        "description": f"Facts of the {owner} service, keyed by the aggregate.",
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in own},
    }


def _message(type_: str, fact: type[Fact], payload: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "ce_type": {"type": "string", "const": type_},
        "ce_source": {"type": "string", "const": f"/pelton/{fact.fact_owner}"},
        "ce_dataschema": {"type": "string", "const": f"urn:pelton:schema:{type_}"},
        **_ATTRIBUTES,
    }
    return {
        "name": type_,
        "title": fact.__name__,
        "summary": (fact.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": sorted(properties.keys() - set(_OPTIONAL)),
            "properties": properties,
        },
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string"}}},
    }

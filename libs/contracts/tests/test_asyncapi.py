"""The document of the control topics says what is on them."""

from collections.abc import Iterator
from typing import Any

from pelton.contracts.asyncapi import asyncapi
from pelton.contracts.schemas import facts
from pelton.contracts.topics import CONTROL_OWNERS, control_topic

DOCUMENT = asyncapi(facts(), "1.2.3")


def references(node: object) -> Iterator[str]:
    match node:
        case dict():
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def resolved(reference: str) -> Any:  # noqa: ANN401 - any part of the document
    assert reference.startswith("#/")
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_it_has_the_parts_that_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert set(DOCUMENT) <= {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] == "send"
        assert resolved(operation["channel"]["$ref"]) in DOCUMENT["channels"].values()


def test_every_owner_has_its_channel_and_every_fact_is_in_the_one_of_its_owner() -> None:
    assert set(DOCUMENT["channels"]) == set(CONTROL_OWNERS)
    for owner, channel in DOCUMENT["channels"].items():
        assert channel["address"] == control_topic(owner)
        assert set(channel["messages"]) == {type_ for type_, fact in facts().items() if fact.fact_owner == owner}
    assert set(DOCUMENT["components"]["messages"]) == set(facts())


def test_every_reference_resolves() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(facts())
    for reference in found:
        assert isinstance(resolved(reference), dict)


def test_a_message_is_a_cloudevent_with_the_facts_own_schema() -> None:
    for type_, fact in facts().items():
        message = DOCUMENT["components"]["messages"][type_]
        headers = message["headers"]
        assert set(headers["required"]) <= set(headers["properties"])
        assert headers["properties"]["ce_type"]["const"] == type_
        assert headers["properties"]["ce_source"]["const"] == f"/pelton/{fact.fact_owner}"
        assert set(resolved(message["payload"]["$ref"])["properties"]) == set(fact.model_fields)
        assert message["summary"]

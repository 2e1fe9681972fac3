"""The same join over HTTP: events through Kafka into a feature service as `pelton up` runs it, rows as Arrow."""

import io
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import polars as pl
from _servers import start_parts

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.topics import data_topic
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.feature.columns import ID, TIME

ARROW: Final = "application/vnd.apache.arrow.stream"
AT_ONCE: Final = 20_000
WAIT_SECONDS: Final = 300.0


async def over_http(
    folder: Path, events: pl.DataFrame, rows: pl.DataFrame, view: FeatureViewDefinition, times: int
) -> tuple[list[float], float]:
    """Seconds from a request to its whole answer, after one that is not counted; and the sum of a feature."""
    async with AsyncExitStack() as stack:
        started = start_parts(folder, ("kafka", "postgres", "feature"), stack)
        port = started.layout.port_base + PORT_OFFSETS["feature"]
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                headers={"authorization": f"Bearer {started.token}"},
                trust_env=False,
                timeout=120,
            )
        )
        for path, definition in (("/v1/sources", _source(view)), ("/v1/feature-views", view)):
            (await client.post(path, json=definition.model_dump(mode="json"))).raise_for_status()
        await _publish(started.layout.kafka.bootstrap, events, view.source)
        await _taken_in(client, view.source, events.height)
        body = io.BytesIO()
        rows.write_ipc_stream(body)
        asked = [f"{view.name}:{name}" for name in view.feature_names]
        seconds = []
        for _ in range(times + 1):
            began = time.perf_counter()
            answer = await client.post(
                "/v1/historical-features",
                params={"features": asked},
                content=body.getvalue(),
                headers={"content-type": ARROW},
            )
            answer.raise_for_status()
            seconds.append(time.perf_counter() - began)
        found = pl.read_ipc_stream(answer.content)
        return seconds[1:], float(found[f"{view.name}__{view.feature_names[0]}"].sum())


def _source(view: FeatureViewDefinition) -> SourceDefinition:
    properties: dict[str, Any] = {
        "id": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "entity": {"type": "string"},
    }
    properties |= {name: {"type": "number"} for name in view.feature_names}
    schema = {"type": "object", "required": ["id", "at", "entity"], "properties": properties}
    return SourceDefinition(name=view.source, json_schema=schema, event_time="at", key="id")


def _records(events: pl.DataFrame, topic: str) -> Iterator[Outgoing]:
    fields = [name for name in events.columns if not name.startswith("_")]
    for row in events.select(ID, TIME, *fields).iter_rows(named=True):
        event_id, moment = row.pop(ID), row.pop(TIME)
        at = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")
        value = msgspec.json.encode({"id": event_id, "at": at, **row})
        yield Outgoing(topic, row["entity"].encode(), [("ce_id", event_id.encode())], value)


async def _publish(bootstrap: str, events: pl.DataFrame, source: str) -> None:
    publisher = KafkaPublisher(bootstrap, "bench-history")
    await publisher.start()
    try:
        records = _records(events, data_topic(source))
        while some := list(islice(records, AT_ONCE)):
            await publisher.publish(some)
    finally:
        await publisher.stop()


async def _taken_in(client: httpx.AsyncClient, source: str, count: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while (await client.get(f"/v1/sources/{source}")).json()["events"] < count:
        if time.monotonic() > until:
            raise RuntimeError(f"{count} events of {source} were not taken in within {WAIT_SECONDS:g} s")

"""The outside world of the demo: upstream systems that publish, and an application that asks for predictions.

The publisher goes as fast as the platform takes it in: it holds back while a training is under way or the platform is
more than `LEAD` of event time behind, so that decisions come when they would have come.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import msgspec
import numpy as np
import polars as pl

from pelton.cli.demo.flights.data import REQUEST_FIELDS, Flights, as_events
from pelton.sdk.client import Address
from pelton.sdk.publish import EventPublisher

MODEL: Final = "flight-delay"
LEAD: Final = timedelta(days=2)
CHUNK_MS: Final = 6 * 3_600_000
DAY_MS: Final = 24 * 3_600_000
LONG_POLL: Final = 20.0
NEWEST_WINDOWS: Final = 4
ENTITIES: Final = ("origin", "dest", "carrier")
EVENT_TIMES: Final = {"departures": "departed_at", "landings": "landed_at"}
UNAVAILABLE: Final = (404, 503)


@dataclass
class Progress:
    """How far the world has come, for the terminal and the report; times are event time."""

    started: float = field(default_factory=time.monotonic)
    published: int = 0
    published_until_ms: int = 0
    predicted: int = 0
    predicted_until_ms: int = 0
    requests: int = 0
    failed_requests: int = 0
    retried_requests: int = 0
    largest_request: int = 0
    answers: dict[str, float] = field(default_factory=dict)
    waiting_for: str = ""
    windows: set[tuple[int, str]] = field(default_factory=set)
    last_window: dict[str, Any] = field(default_factory=dict)


class World:
    """Publishes the flights and asks for predictions about them."""

    def __init__(self, address: Address, flights: Flights, model_from_ms: int, progress: Progress) -> None:
        self._address = address
        self._frames = {"departures": flights.departures, "landings": flights.landings}
        self._times = {source: frame["t"].to_numpy() for source, frame in self._frames.items()}
        self._model_from_ms = model_from_ms
        self._progress = progress
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {address.token}"}, timeout=60.0, trust_env=False
        )
        self._published = asyncio.Condition()
        self._predicted = asyncio.Condition()
        self._watermarks: dict[str, int] = {}
        self._traces: dict[int, str] = {}
        self._first_ms = int(flights.departures["t"].item(0)) // DAY_MS * DAY_MS
        self._last_ms = int(flights.departures["t"].item(-1)) + 1
        self.end_ms = max(self._last_ms, int(flights.landings["t"].item(-1)) + 1)

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def settle(self, seconds: float) -> None:
        """Wait until the platform has handled all that was sent: no training is left under way."""
        async with asyncio.timeout(seconds):
            while not await self._settled(self._last_ms):
                pass

    async def run(self) -> None:
        """Let the whole stream pass; returns when every flight was published and predicted."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish())
            group.create_task(self._predict())

    async def _publish(self) -> None:
        async with EventPublisher(self._address.kafka, origin="/demo/flights") as publisher:
            for day in range(self._first_ms, self.end_ms, DAY_MS):
                await self._permission(day)
                for source, time_field in EVENT_TIMES.items():
                    await self._publish_day(publisher, source, time_field, day)
                await publisher.flush()
                async with self._published:
                    self._progress.published_until_ms = day + DAY_MS
                    self._published.notify_all()

    async def _publish_day(self, publisher: EventPublisher, source: str, time_field: str, day: int) -> None:
        rows = self._between(source, day, day + DAY_MS)
        events = zip(rows["flight_id"], rows["t"], rows["origin"], as_events(rows, time_field), strict=True)
        for flight_id, moment_ms, origin, event in events:
            trace = self._trace(moment_ms) if source == "departures" else None
            await publisher.send(source, f"{source}/{flight_id}", origin, event.encode(), traceparent=trace)
        self._progress.published += rows.height

    async def _permission(self, day: int) -> None:
        """Wait until the platform has come so far that the next day may be published."""
        allowed = day - round(LEAD.total_seconds() * 1000)
        if day >= self._model_from_ms:
            self._progress.waiting_for = "predictions"
            async with self._predicted:
                await self._predicted.wait_for(
                    lambda: (
                        self._progress.predicted_until_ms >= min(allowed, self._last_ms)
                        or allowed < self._model_from_ms
                    )
                )
        self._progress.waiting_for = "the feature service"
        for source in ("departures", "landings"):
            await self._ingested(source, self._newest(source, allowed))
        self._progress.waiting_for = "the trainer"
        while not await self._settled(allowed):
            pass
        if allowed > self._model_from_ms:
            self._progress.waiting_for = "the monitor"
            while not await self._monitored(allowed):
                pass
            await self._note_windows()
        self._progress.waiting_for = ""

    async def _settled(self, until_ms: int) -> bool:
        """Whether no training is under way and the trainer has handled what came before `until_ms`."""
        newest = min(self._newest("departures", until_ms), self._newest("landings", until_ms))
        # The feature service tells the trainer of each midnight, and so of the last one before.
        midnight = newest // DAY_MS * DAY_MS
        if midnight <= self._first_ms + DAY_MS:
            return True
        answer = await self._ask("trainer", "/v1/progress", model=MODEL, until=_text(midnight), timeout=LONG_POLL)
        trainer = answer.get(MODEL)
        if trainer is None:
            return True
        handled = trainer["handled_until"]
        return (
            trainer["in_flight"] is None
            and handled is not None
            and datetime.fromisoformat(handled) >= _moment(midnight)
        )

    async def _monitored(self, until_ms: int) -> bool:
        """Whether the monitor has read the predictions up to `until_ms`."""
        newest = self._newest("departures", min(until_ms, self._progress.predicted_until_ms))
        if newest < self._model_from_ms:
            return True
        answer = await self._ask("monitor", "/v1/watermarks", model=MODEL, until=_text(newest), timeout=LONG_POLL)
        return bool(answer.get("reached"))

    async def _note_windows(self) -> None:
        """Which windows the monitor has closed, for the view alone."""
        answer = await self._ask("monitor", "/v1/windows", model=MODEL, limit=NEWEST_WINDOWS)
        self._progress.windows |= {(one["version"], one["start"]) for one in answer["windows"]}
        self._progress.last_window = next(iter(answer["windows"]), {})

    async def _predict(self) -> None:
        """Ask for a prediction of every flight, in chunks of a few hours, each row as of its own departure."""
        for chunk in range(self._model_from_ms, self._last_ms, CHUNK_MS):
            await self._until_published(min(chunk + CHUNK_MS, self._last_ms))
            rows = self._between("departures", chunk, chunk + CHUNK_MS)
            if rows.height:
                for source in ("departures", "landings"):
                    await self._ingested(source, self._newest(source, chunk + CHUNK_MS))
                await self._ask_for(rows, chunk)
            async with self._predicted:
                self._progress.predicted_until_ms = chunk + CHUNK_MS
                self._predicted.notify_all()

    async def _until_published(self, until_ms: int) -> None:
        async with self._published:
            await self._published.wait_for(lambda: self._progress.published_until_ms >= until_ms)

    async def _ask_for(self, rows: pl.DataFrame, chunk: int) -> None:
        """One request; a service that restarts or has no model yet is asked again until it answers."""
        body = _request(rows)
        url = f"{self._address.url('inference')}/v2/models/{MODEL}/infer"
        headers = {"content-type": "application/json", "traceparent": self._trace(chunk)}
        pause = 0.02
        while True:
            try:
                answer = await self._http.post(url, content=body, headers=headers)
            except httpx.TransportError:
                self._progress.retried_requests += 1
            else:
                if answer.status_code == httpx.codes.OK:
                    break
                if answer.status_code not in UNAVAILABLE:
                    self._progress.failed_requests += 1
                    raise RuntimeError(f"inference answered {answer.status_code}: {answer.text[:300]}")
                self._progress.waiting_for = "the first model"
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        self._progress.requests += 1
        self._progress.largest_request = max(self._progress.largest_request, rows.height)
        probabilities = next(one["data"] for one in answer.json()["outputs"] if one["name"] == "probability")
        self._progress.answers.update(zip(rows["flight_id"].to_list(), probabilities, strict=True))
        self._progress.predicted += rows.height

    async def _ingested(self, source: str, until_ms: int) -> None:
        while self._watermarks.get(source, -1) < until_ms:
            marks = await self._ask(
                "feature", "/v1/watermarks", source=source, until=_text(until_ms), timeout=LONG_POLL
            )
            for name, mark in marks.items():
                self._watermarks[name] = round(datetime.fromisoformat(mark).timestamp() * 1000)

    async def _ask(self, service: str, path: str, **params: str | float) -> dict[str, Any]:
        """A service's answer; one that restarts is asked again."""
        pause = 0.05
        while True:
            try:
                answer = await self._http.get(f"{self._address.url(service)}{path}", params=params)
                if answer.status_code == httpx.codes.OK:
                    found: dict[str, Any] = answer.json()
                    return found
                if answer.status_code not in UNAVAILABLE:
                    raise RuntimeError(f"{service} answered {answer.status_code} to {path}: {answer.text[:300]}")
            except httpx.TransportError:
                self._progress.retried_requests += 1
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _newest(self, source: str, before_ms: int) -> int:
        """The time of a source's newest published event before a moment; -1 of none."""
        times = self._times[source]
        place = int(np.searchsorted(times, min(before_ms, self._progress.published_until_ms)))
        return int(times[place - 1]) if place else -1

    def _between(self, source: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """The events of a source with `start_ms <= t < end_ms`."""
        low, high = (int(place) for place in np.searchsorted(self._times[source], [start_ms, end_ms]))
        return self._frames[source].slice(low, high - low)

    def _trace(self, moment_ms: int) -> str:
        """One trace for the departures of a few hours and the request about them."""
        chunk = moment_ms // CHUNK_MS
        if chunk not in self._traces:
            self._traces[chunk] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        return self._traces[chunk]


def _request(rows: pl.DataFrame) -> bytes:
    """An inference request by entity: key, time, entities and the fields that the application knows."""
    count = [rows.height]
    inputs: list[dict[str, Any]] = [
        {"name": "key", "shape": count, "datatype": "BYTES", "data": rows["flight_id"].to_list()},
        {"name": "event_time", "shape": count, "datatype": "INT64", "data": rows["t"].to_list()},
    ]
    inputs += [{"name": name, "shape": count, "datatype": "BYTES", "data": rows[name].to_list()} for name in ENTITIES]
    inputs += [
        {"name": name, "shape": count, "datatype": "FP64", "data": rows[name].to_list()} for name in REQUEST_FIELDS
    ]
    return msgspec.json.encode({"inputs": inputs})


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _text(milliseconds: int) -> str:
    return _moment(milliseconds).isoformat()

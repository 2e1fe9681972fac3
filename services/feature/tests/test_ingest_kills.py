"""Killed at random moments while events pour in, the service counts each once, in both stores."""

import asyncio
import random
import signal
from collections import Counter
from datetime import timedelta

import pytest
from feature_definitions import DAY_0, event, model, source, stream, view
from feature_process import Feature
from test_process import outcome, registered, requested, rows_of

DAYS = 2
KILLS = 5
AT_ONCE = 250
AGAIN = 50


@pytest.mark.slow
async def test_killed_again_and_again_under_load_it_counts_every_event_once(feature: Feature) -> None:
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    events = stream(KILLS * 8 * AT_ONCE, DAYS, seed=7)
    await feature.declare(source("poured", lateness="2d"), view("poured_carrier", "poured"))

    async def pour() -> None:
        """Publish all, each stretch beginning with the end of the one before it."""
        for start in range(0, len(events), AT_ONCE):
            await feature.publish_all("poured", events[max(0, start - AGAIN) : start + AT_ONCE])
            await asyncio.sleep(chance.uniform(0.1, 0.5))

    pouring = asyncio.create_task(pour())
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.5, 2.5))
        assert await feature.end(signal.SIGKILL) == -signal.SIGKILL
        await feature.start()
    await pouring
    # The watermark passes the end of what the dataset is made of.
    end = DAY_0 + timedelta(days=DAYS)
    await feature.publish_all("poured", [event(99_999, end)])
    await feature.counted("poured", len(events) + 1)

    carriers = ["UA", "AA", "B6"]
    answer = await feature.online(["poured_carrier:flights_1d"], "carrier", carriers, [end.isoformat()] * len(carriers))
    last_day = Counter(one["carrier"] for one in events if one["at"] >= (end - timedelta(days=1)).isoformat())
    assert answer["results"][1]["values"] == [last_day[carrier] for carrier in carriers]

    definition = model("poured", "poured", ["poured_carrier:flights_1d"], name="poured")
    await feature.hears(registered(definition), requested("poured", definition, DAY_0, end))
    _, fact = await outcome(feature, "poured")
    rows = await rows_of(feature, fact)
    assert sorted(rows["key"]) == sorted(one["flight"] for one in events if one["delay"] is not None)

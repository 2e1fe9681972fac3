"""QuixStreams over the same topic, by its own interpreter: the aggregates of tumbling hours, which are its cheapest.

`python _quix.py <bootstrap> <topic> <state folder> <events> <warm>` prints the events a second after the
first `warm`, and the microseconds of processor time for each.
"""

import sys
import time

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Sum

bootstrap, topic, state, events, warm = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-{time.time_ns()}",
    auto_offset_reset="earliest",
    state_dir=state,
    loglevel="ERROR",
)
began = cpu = 0.0
seen = 0


def count(_: object) -> None:
    """Look at the clock after the warming up, and stop at the end."""
    global began, cpu, seen  # noqa: PLW0603 - the program is its own state
    seen += 1
    if seen == warm:
        began, cpu = time.perf_counter(), time.process_time()
    if seen == events:
        measured = events - warm
        rate, cost = measured / (time.perf_counter() - began), (time.process_time() - cpu) / measured * 1e6
        print(rate, cost, flush=True)
        app.stop()


frame = app.dataframe(app.topic(topic, key_deserializer="str", value_deserializer="json"))
frame = (
    frame.tumbling_window(duration_ms=3_600_000)
    .agg(orders=Count(), spent=Sum("amount"), dearest=Max("amount"))
    .current()
)
frame.update(count)
app.run()

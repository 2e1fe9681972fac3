"""Structured logs: one JSON object a line on standard output."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from pelton.eventkit.telemetry.tracing import current_trace_id

_SECRET_KEYS = re.compile(r"token|password|secret|authorization", re.IGNORECASE)
# A password of a URL, whatever is in it (bounded, so that no text takes long); a token after its scheme, or a bare JWT.
_SECRET_TEXT = re.compile(
    r"(://[^:/@\s]{0,64}:)\S{1,256}(?=@)|(\bBearer\s+)\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]*", re.IGNORECASE
)
HIDDEN = "[hidden]"

Event = MutableMapping[str, Any]


def configure_logging(service: str, level: str) -> None:
    """Let structlog and the standard library write JSON lines with the service, the event and the trace."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: {"service": service, **event},
        _add_trace,
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "faststream", "alembic", "httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns at each start that topics are not made by themselves, which is how it should be.
    logging.getLogger("pelton.faststream").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )


def _add_trace(_: object, __: str, event: Event) -> Event:
    trace_id = current_trace_id()
    if trace_id:
        event["trace_id"] = trace_id
    return event


def _hide_secrets(_: object, __: str, event: Event) -> Event:
    for name, value in event.items():
        if not name.startswith("_"):  # structlog's own
            event[name] = _without_secrets(name, value)
    return event


def _without_secrets(name: str, value: object) -> object:
    if _SECRET_KEYS.search(name):
        return HIDDEN
    match value:
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {str(key): _without_secrets(str(key), one) for key, one in value.items()}
        case list() | tuple():
            return [_without_secrets("", one) for one in value]
        case _:
            return _SECRET_TEXT.sub(rf"\1\2{HIDDEN}", str(value))

"""Which failures pass by themselves, and which never will."""

import asyncio

import asyncpg
import httpx
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    UnknownMemberIdError,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pelton.eventkit.store import ConcurrencyConflictError


class PermanentError(Exception):
    """A message that can never be handled: invalid, unknown or impossible. It goes to the dead letters."""


class TransientError(Exception):
    """Something is not there yet; the message is tried again and its partition waits."""


_TRANSIENT = (
    TransientError,
    ConcurrencyConflictError,
    ConnectionError,
    TimeoutError,
    asyncio.TimeoutError,
    OSError,
    httpx.TransportError,
    CommitFailedError,
    IllegalGenerationError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    UnknownMemberIdError,
    OperationalError,
    PoolTimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InterfaceError,
)


def is_transient(error: BaseException) -> bool:
    """Whether to try again: the network, a restarting peer, a conflict with somebody else's transaction."""
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error.orig, _TRANSIENT)):
        return True
    if isinstance(error, DBAPIError) and error.orig is not None and error.orig.__cause__ is not None:
        return is_transient(error.orig.__cause__)
    if isinstance(error, KafkaError) and error.retriable:
        return True
    return isinstance(error, _TRANSIENT) and not isinstance(error, FileNotFoundError | PermissionError)

"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

Value = TypeVar("Value")

_POLL_SECONDS = 0.02


@overload
async def eventually(condition: Callable[[], Coroutine[Any, Any, Value]], timeout: float = ...) -> Value: ...  # noqa: ASYNC109
@overload
async def eventually(condition: Callable[[], Value], timeout: float = ...) -> Value: ...  # noqa: ASYNC109
async def eventually(condition: Callable[[], Any], timeout: float = 10.0) -> Any:  # noqa: ASYNC109  # the report is ours
    """The first truthy value of a condition, which may be a function or a coroutine function, asked again and again.

    An AssertionError inside the condition counts as not yet.

    Raises:
        AssertionError: `timeout` seconds passed; says what the condition was last.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            outcome = condition()
            value = await outcome if inspect.isawaitable(outcome) else outcome
            seen = repr(value)
        except AssertionError as error:
            value, seen = None, f"AssertionError({error})"
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout} s; the condition was last {seen}.")
        await asyncio.sleep(_POLL_SECONDS)

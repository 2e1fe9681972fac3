import pytest

from pelton.testkit import eventually


async def test_the_first_truthy_value_is_returned() -> None:
    answers = iter([0, None, 7])

    assert await eventually(lambda: next(answers)) == 7


async def test_a_coroutine_function_is_awaited_each_time() -> None:
    answers = iter([False, True])

    async def condition() -> bool:
        return next(answers)

    assert await eventually(condition)


async def test_a_failed_assertion_is_not_yet() -> None:
    tries = iter([1, 2])

    def condition() -> bool:
        assert next(tries) == 2
        return True

    assert await eventually(condition)


async def test_in_the_end_it_says_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"the condition was last \[\]"):
        await eventually(list, timeout=0.05)


async def test_another_error_is_not_waited_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)

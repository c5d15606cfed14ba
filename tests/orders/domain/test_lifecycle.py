import pytest

from orders.domain.lifecycle import (
    LATE_FILL,
    OPEN,
    TERMINAL,
    TRANSITIONS,
    ApiStatus,
    OrderState,
    TransitionError,
    api_status,
    check_transition,
)


def test_only_listed_steps_happen() -> None:
    for before in OrderState:
        for after in OrderState:
            if (before, after) in TRANSITIONS:
                check_transition(before, after)
            else:
                with pytest.raises(TransitionError):
                    check_transition(before, after)


def test_the_end_is_the_end_except_for_fills_that_come_late() -> None:
    assert not [step for step in TRANSITIONS if step[0] in TERMINAL]
    assert {after for _, after in LATE_FILL} == {OrderState.FILLED}


def test_every_state_can_be_reached_and_every_open_state_can_end() -> None:
    reached = {OrderState.NEW}
    for _ in OrderState:
        reached |= {after for before, after in TRANSITIONS if before in reached}
    assert reached == set(OrderState)
    for state in OPEN:
        ends = {state}
        for _ in OrderState:
            ends |= {after for before, after in TRANSITIONS if before in ends}
        assert ends & TERMINAL, state


@pytest.mark.parametrize(
    ("state", "filled", "word"),
    [
        (OrderState.SENDING, 0, ApiStatus.PENDING),
        (OrderState.LIVE, 0, ApiStatus.OPEN),
        (OrderState.LIVE, 1, ApiStatus.PARTIAL),
        (OrderState.ABANDONED, 0, ApiStatus.CANCELLED),
        (OrderState.QUARANTINED, 0, ApiStatus.UNKNOWN),
    ],
)
def test_the_public_word_for_a_state(state: OrderState, filled: int, word: ApiStatus) -> None:
    assert api_status(state, filled=filled) is word

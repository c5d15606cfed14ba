import random
from datetime import timedelta
from uuid import UUID

from orders.domain.keys import new_key
from tests.factories.orders import AT


def test_a_key_is_a_version_7_uuid_that_carries_its_millisecond() -> None:
    key = UUID(new_key(now=AT, bits=random.Random(1)))
    assert (key.version, key.variant) == (7, "specified in RFC 4122")
    assert key.int >> 80 == int(AT.timestamp() * 1000)


def test_keys_of_later_ticks_sort_later_and_the_same_seed_repeats() -> None:
    made = [new_key(now=AT + timedelta(milliseconds=n), bits=random.Random(5)) for n in range(50)]
    assert made == sorted(made)
    assert new_key(now=AT, bits=random.Random(5)) == made[0]

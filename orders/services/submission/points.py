"""Every named step of submission at which a test may end the process: `faultpoint(name)` stands at each."""

from __future__ import annotations

POINTS = (
    "send.loaded",  # the rows are read, nothing is made
    "send.prepared",  # terms and order id are known
    "send.signed",  # signed in memory, nothing is stored
    "claim.begun",  # the transaction holds the kill switch
    "claim.locked",  # account and orders too
    "claim.stored",  # bytes, hash and SENDING are written, not committed
    "claim.committed",  # SENDING is durable, no byte left
    "post.first_byte",  # right before the request
    "post.answered",  # the answer is in memory only
    "answer.locked",
    "answer.stored",  # written, not committed
    "answer.committed",
    "lease.expired",  # UNKNOWN is written, not committed
    "unknown.reading",  # before the venue is asked
    "unknown.read",  # it was asked, nothing is stored
    "unknown.booked",  # its fills are booked, the order is not attached
    "unknown.noted",  # an empty read is written, not committed
    "unknown.claimed",  # one more attempt of the same bytes is durable
    "unknown.quarantined",
    "unknown.released",
    "cancel.claimed",  # the request is on record, not sent
    "cancel.sent",  # answered, nothing is stored
    "cancel.stored",
    "kill.cancelled",  # cancel-all was answered, open orders are not read
    "kill.read",
    "drain.begun",  # shutdown: nothing new is claimed
)

"""Effectively-once submission of live orders (contract.md 4.3), around the pure rules of `orders.domain.submission`.

`signing` makes the bytes, `claim` stores them before the first byte, `posting` sends them, `answers` stores what
came back, `unknown` finds out what nobody knows, `cancels` asks for ends, `senders` runs all of it beside the ticks.
`orders.services.execution` is the door; nothing here is called by a strategy or the gate.
"""

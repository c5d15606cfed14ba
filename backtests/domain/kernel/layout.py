"""Where everything stands in the arrays of the fast mode: one row per market, book, order, fill; columns as named here.

Times are nanoseconds, money, prices and sizes millionths, `TICKS` steps of the market's tape. A book is one outcome's:
book 2m is market m's first outcome, 2m + 1 its second. Sides are those of tapes: 0 asks or sold, 1 bids or bought.
"""

from __future__ import annotations

NEVER = 2**62

# What `run` returns: why it stopped.
DONE, MORE_ROWS, MORE_ROOM, PAUSED, ASKED = 0, 1, 2, 3, 4

# world: one number each
(
    W_START, W_END, W_TICK, W_INTERVAL, W_MINUTE, W_FEED, W_ORDER, W_ANSWER, W_QUEUE, W_INSIDE,
    W_LEVELS, W_SIZE, W_STOP_MS, W_CASH, W_RESERVED, W_PEAK, W_DAY_EQUITY, W_DAY, W_ORDERS, W_FILLS,
    W_OPEN, W_ACTION, W_ACTIONS, W_KNOWN, W_KNOWNS, W_SEEN, W_SEENS, W_WAITING, W_WANTED, W_REFUSED,
    W_REFUSALS, W_RETRY, W_ASKED, W_SHRUNK, W_FORGOTTEN, W_EQUITY, W_EQUITY_NEXT, W_EQUITY_STEP, W_EVENTS, W_PAUSE,
    W_TICKS, W_UNCHANGED, W_DECISIONS, W_PLACED, W_CANCELED, W_FEES, W_REALIZED, W_SETTLED, W_RATE, W_RATES,
    W_KILLED, W_MARKET, W_WAITS, W_KILL_AT, W_NOW, W_SETTLE,
    L_ACCOUNT, L_MARKET, L_EVENT, L_STRATEGY, L_ORDER_SIZE, L_ORDER_MINIMUM, L_OPEN_ORDERS, L_POSITIONS, L_DAILY,
    L_STOP_BPS, L_KILL_BPS, L_PER_MINUTE, L_CLOSE_S, L_EXIT_AGE_MS,
    W_SHARES, W_LAST_EQUITY, W_MARKED_AT, W_MARKED_EQUITY, W_RESTED,
) = range(75)  # fmt: skip
WORLD = 75

# market
(
    M_STEP, M_TOP, M_MINIMUM, M_FEE, M_CLOSES, M_STATE, M_MIRROR, M_TRADES, M_CURSOR, M_LENGTH,
    M_MORE, M_CLOCK, M_NEXT, M_NEXT_SEEN, M_NEXT_END, M_PAY_YES, M_PAY_NO, M_PAID, M_SETTLE, M_GROUP,
    M_ENTRY, M_BASE, M_TICKED, M_EVENT, M_SHOWS,
) = range(25)  # fmt: skip
MARKET = 25
OPEN, ENDED, SETTLED = 0, 1, 2  # M_STATE: trading, resolved at the venue, paid

# book: the venue's side, then what we see of it
(
    B_KNOWN, B_TICK, B_BID, B_ASK, B_ASK_LEVELS, B_BID_LEVELS, B_RESTING, B_TAKEN, B_TRADED, B_TOUCHED,
    B_STATE, B_SEEN, B_SEEN_BID, B_SEEN_ASK, B_SEEN_TICK, B_SEEN_AT,
) = range(16)  # fmt: skip
BOOK = 16  # and from here on the orders that rest in it, in order of arrival
ABSENT, LIVE, STALE, CLOSED = 0, 1, 2, 3  # B_STATE, B_SEEN

# orders
(
    O_DECIDED, O_ARRIVED, O_ENDED, O_PRICE, O_SIZE, O_FILLED, O_MARKET, O_BOOK, O_SIDE, O_STATE,
    O_LEVEL, O_TICKS, O_AHEAD, O_SLACK, O_SLACK_MS, O_KNOWN, O_RESERVED, O_CANCEL, O_ASKED, O_SHRUNK,
    O_UNTIL, O_LEAVES,
) = range(22)  # fmt: skip
ORDER = 22
# O_STATE: 0 to 4 as backtests.domain.result.OrderEnd once arrived, and on its way before
ON_ITS_WAY = 9

# fills
F_AT, F_ORDER, F_PRICE, F_SIZE, F_CASH, F_REALIZED, F_MID, F_INFERRED = range(8)
FILL = 8

# positions, one per book; P_DAY_* count since midnight
(
    P_SIZE, P_COST, P_REALIZED, P_RESERVED, P_BOUGHT, P_BOUGHT_COST, P_SOLD, P_DAY_BOUGHT, P_DAY_COST, P_DAY_SOLD,
    P_DAY_PROCEEDS, P_PAYOUT, P_DAY,
) = range(13)  # fmt: skip
POSITION = 13

# rings: when, what, of which
Q_AT, Q_KIND, Q_OF = 0, 1, 2
ARRIVES, CANCELS = 0, 1  # kinds of actions
FILLED, ENDS = 0, 1  # kinds of answers
# what will be seen: when, market, the last changed tick, bits of changed books; both books' state, bid, ask, tick
V_AT, V_MARKET, V_TICKED, V_CHANGED, V_BOOKS = 0, 1, 2, 3, 4
SEEN = 12

# wanted and refused orders: book, side, price, size, level
N_BOOK, N_SIDE, N_PRICE, N_SIZE, N_LEVEL = 0, 1, 2, 3, 4
WANTED = 5
CURRENT, BEFORE, REFUSED, PLACED = 0, 1, 2, 3  # planes of `wanted`
DISPLAYED, TAKEN, TRADED, FRESH = 0, 1, 2, 3  # planes of `depth`
ACTIONS, ANSWERS, RATES = 0, 1, 2  # planes of `rings`
OPEN_LIST, WAITING_LIST = 0, 1  # rows of `lists`

# equity rows and settlements as in backtests.domain.result
E_AT, E_CASH, E_POSITIONS, E_EXPOSURE, E_FEES, E_REBATES = range(6)
S_AT, S_BOOK, S_SIZE, S_PAYOUT, S_CASH, S_REALIZED = range(6)

RULES = (
    "market_open", "time_to_close", "fee_known", "liquidity", "volume_24h", "book_fresh", "price_tick", "post_only",
    "order_rate", "open_orders", "strategy_open_orders", "open_positions", "daily_loss", "strategy_daily_loss",
    "drawdown", "order_size", "cash_available", "shares_available", "market_exposure", "event_exposure",
    "strategy_exposure", "account_exposure", "minimum_size", "order_minimum", "kill_switch",
)  # fmt: skip
(
    R_OPEN, R_CLOSE, R_FEE, R_LIQUIDITY, R_VOLUME, R_BOOK, R_TICK, R_POST_ONLY,
    R_RATE, R_ORDERS, R_STRATEGY_ORDERS, R_POSITIONS, R_DAILY, R_STRATEGY_DAILY,
    R_DRAWDOWN, R_SIZE, R_CASH, R_SHARES, R_MARKET, R_EVENT,
    R_STRATEGY, R_ACCOUNT, R_MINIMUM, R_ORDER_MINIMUM, R_KILL,
) = range(25)  # fmt: skip
REJECTIONS = ("the market is resolved", "the fee of this market is not known", "no current book", "off the tick",
              "below the minimum size", "post-only would cross")  # fmt: skip
# counts: what reached the gate, then refusals by rule, sizes cut by rule, rejections by reason, the strategy's gates
C_WANTED, C_REFUSED, C_SHRUNK, C_REJECTED, C_GATES = 0, 1, 26, 51, 57
GATES = ("market_not_open", "closing_soon", "book_missing", "book_stale", "one_sided", "book_crossed", "quoting")
COUNTS = 64

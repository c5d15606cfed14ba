"""What Polymarket sends, field by field, as of autumn 2026: the drift sentinel compares with this.

A field after "?" is not always there. Fields that we read carry their kinds; fields that only exist for
display carry none, so that a change of theirs stops nobody. A new field in the protocol is added here.
"""

from __future__ import annotations

from collections.abc import Mapping

from markets.domain.drift import Shape, shape

_LEVEL = shape("price:text size:text")

_BOOK = (
    "market:text asset_id:text timestamp:text hash:text bids:list asks:list tick_size?:text|number "
    "last_trade_price?:text min_order_size?:text|number neg_risk?:flag version?"
)
_CHANGE = shape("asset_id:text price:text size:text side:text hash?:text best_bid?:text best_ask?:text")
_MAKER_ORDER = shape(
    "order_id:text owner:text maker_address:text matched_amount:text price:text fee_rate_bps?:text|number "
    "asset_id:text outcome?:text outcome_index?:number side?:text builder_fee? builder_code?"
)
_ORDER_ROW = (
    "id:text status:text owner:text maker_address:text market:text asset_id:text side:text original_size:text "
    "size_matched:text price:text outcome?:text expiration?:text|number order_type:text associate_trades?:list "
    "created_at:text|number"
)
_TRADE_ROW = (
    "id:text taker_order_id:text market:text asset_id:text side:text size:text fee_rate_bps?:text|number price:text "
    "status:text match_time?:text|number matchtime?:text|number match_time_nano?:text|number "
    "last_update?:text|number outcome?:text bucket_index?:number|text owner:text maker_address:text "
    "transaction_hash?:text err_msg?:text trader_side?:text maker_orders:list"
)

_GAMMA_READ = (
    "id:text question:text conditionId:text slug:text outcomes:text|list clobTokenIds?:text|list "
    "outcomePrices?:text|list enableOrderBook?:flag active:flag closed:flag archived?:flag acceptingOrders?:flag "
    "acceptingOrdersTimestamp?:text startDate?:text endDate?:text closedTime?:text umaEndDate?:text "
    "orderPriceMinTickSize?:number|text orderMinSize?:number|text secondsDelay?:number feesEnabled?:flag "
    "feeSchedule?:object negRisk?:flag umaResolutionStatus?:text resolutionStatus?:text description?:text "
    "resolutionSource?:text groupItemTitle?:text volumeNum?:number|text volume24hr?:number|text "
    "liquidityNum?:number|text clobRewards?:list rewardsMinSize?:number|text rewardsMaxSpread?:number|text "
    "version?:text positionIds?:text|list negRiskMarketID?:text questionID?:text "
)
_GAMMA_DISPLAY = (
    "category? image? icon? groupItemThreshold? startDateIso? endDateIso? createdAt? updatedAt? "
    "new? featured? restricted? ready? funded? approved? cyom? clearBookOnStart? automaticallyActive? "
    "manualActivation? makerBaseFee? takerBaseFee? feeType? volume? volume1wk? volume1mo? volume1yr? volumeClob? "
    "volume24hrClob? volume1wkClob? volume1moClob? volume1yrClob? liquidity? liquidityClob? bestBid? bestAsk? "
    "lastTradePrice? spread? oneHourPriceChange? oneDayPriceChange? oneWeekPriceChange? oneMonthPriceChange? "
    "oneYearPriceChange? competitive? negRiskRequestID? negRiskOther? umaResolutionStatuses? "
    "resolvedBy? requestId? onchainEventId? holdingRewardsEnabled? comboStatus? rfqEnabled? "
    "sportsMarketType? line? gameId? gameStartTime? eventStartTime? events? tags? marketMakerAddress? "
    "pendingDeployment? deploying? deployingTimestamp? automaticallyResolved? creator? customLiveness? fpmmLive? "
    "hasReviewedDates? liquidityAmm? lowerBound? upperBound? makerRebatesFeeShareBps? marketType? "
    "pagerDutyNotificationEnabled? readyForCron? requiresTranslation? seriesColor? showGmpOutcome? showGmpSeries? "
    "submitted_by? twitterCardImage? umaBond? umaReward? umaEndDateIso? updatedBy? volumeAmm? volume24hrAmm? "
    "volume1wkAmm? volume1moAmm? volume1yrAmm? series? denominationToken? fee? formatType? ammType? sentDiscord? "
    "wideFormat? mailchimpTag? subcategory? curationOrder? disqusThread? gameStartTimeIso? teamAID? teamBID? "
    "shortOutcomes? score? chatColor? imageOptimized? iconOptimized? categories? createdBy? notificationsEnabled? "
)

SHAPES: Mapping[str, Shape] = {
    # The answer to an order and our own rows.
    "rest.order_answer": shape(
        "success:flag errorMsg:text orderID:text status:text makingAmount:text takingAmount:text tradeIDs?:list "
        "transactionsHashes?:list"
    ),
    "rest.cancel_answer": shape("canceled:list not_canceled:object", inside={"not_canceled": shape("", open=True)}),
    "rest.order_row": shape(_ORDER_ROW),
    "rest.trade_row": shape(_TRADE_ROW, inside={"maker_orders": _MAKER_ORDER}),
    "rest.balance": shape(
        "balance:text allowances?:object allowance?:text", inside={"allowances": shape("", open=True)}
    ),
    # The user socket.
    "ws_user.order": shape(f"event_type:text type:text {_ORDER_ROW} order_owner?:text timestamp:text|number"),
    "ws_user.trade": shape(
        f"event_type:text type:text {_TRADE_ROW} trade_owner?:text timestamp?:text|number",
        inside={"maker_orders": _MAKER_ORDER},
    ),
    # The market socket.
    "ws.book": shape(f"event_type:text {_BOOK}", inside={"bids": _LEVEL, "asks": _LEVEL}),
    "ws.price_change": shape(
        "event_type:text market:text timestamp:text price_changes:list version?", inside={"price_changes": _CHANGE}
    ),
    "ws.last_trade_price": shape(
        "event_type:text market:text asset_id:text price:text size:text side:text fee_rate_bps?:text|number "
        "timestamp:text transaction_hash?:text inferred?:flag version?"
    ),
    "ws.tick_size_change": shape(
        "event_type:text market:text asset_id:text old_tick_size:text new_tick_size:text timestamp:text side?:text "
        "version?"
    ),
    "ws.best_bid_ask": shape(
        "event_type:text market:text asset_id:text best_bid:text best_ask:text spread?:text timestamp:text version?"
    ),
    "ws.market_resolved": shape(
        "event_type:text id?:text market:text assets_ids?:list winning_asset_id:text winning_outcome?:text "
        "event_message?:object timestamp:text tags?:list question? slug? description? outcomes? version?"
    ),
    "ws.new_market": shape(
        "event_type:text id? question? market:text slug? description? assets_ids? outcomes? event_message? timestamp "
        "tags? condition_id? active? clob_token_ids? sports_market_type? line? game_start_time? "
        "order_price_min_tick_size? group_item_title? taker_base_fee? fees_enabled? fee_schedule? version?"
    ),
    # Facts of markets.
    "rest.book": shape(_BOOK, inside={"bids": _LEVEL, "asks": _LEVEL}),
    "rest.clob_market": shape(
        "c?:text t:list mts:number|text mos:number|text nr?:flag fd?:object mbf?:number tbf?:number r?:object ao:flag "
        "aot? sd?:number gst? cbos?:flag rfqe?:flag itode?:flag ibce?:flag oas?",
        inside={
            "t": shape("t:text o:text"),
            "fd": shape("r:number|text e:number to?:flag rr?"),
            "r": shape("mi? ma? e? smoa? moas? rates?"),
        },
    ),
    "gamma.market": shape(
        _GAMMA_READ + _GAMMA_DISPLAY,
        inside={"feeSchedule": shape("exponent:number rate:number|text takerOnly?:flag rebateRate?:number|text")},
    ),
}

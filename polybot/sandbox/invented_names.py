"""Names and rules of the demo catalogue, invented for it. No real person, club or poll stands behind them."""

# ruff: noqa: E501
from __future__ import annotations

from markets.domain.instruments import Category

CITIES = (
    "Harbor City", "Northfield", "Granite Bay", "Redwood", "Lakeshore", "Ironbridge", "Sunridge", "Westhaven",
    "Copper Hill", "Eastport", "Silverton", "Marlow", "Ashford", "Brightwater", "Stonegate", "Pinecrest",
    "Falcon Ridge", "Riverton", "Seabrook", "Oakdale",
)  # fmt: skip
TEAMS = (
    "Lanterns", "Herons", "Miners", "Comets", "Sailors", "Foxes", "Anvils", "Kites", "Badgers", "Pilots",
    "Ravens", "Tides", "Lynx", "Millers", "Owls", "Rangers", "Geysers", "Larks", "Bisons", "Arrows",
)  # fmt: skip
PEOPLE = (
    "Ada Winslow", "Bruno Castell", "Clara Oduya", "Daniel Roth", "Elif Marlowe", "Farid Lindqvist",
    "Greta Okafor", "Hugo Brandt", "Ines Calder", "Jonas Whitlock", "Kira Santoro", "Leo Van Aalst",
    "Maya Thorne", "Nils Aranda", "Olga Pemberton", "Pavel Strand", "Quinn Abara", "Rosa Delmar",
    "Samir Holt", "Tessa Vaughn",
)  # fmt: skip
COINS = (("Bitcoin", "BTC", 96_000, 1_000), ("Ethereum", "ETH", 3_400, 50), ("Solana", "SOL", 210, 5))

# (category, event title, what an outcome question asks, tag labels)
GROUPS: tuple[tuple[Category, str, str, tuple[str, ...]], ...] = (
    (Category.POLITICS, "{place} mayoral election winner", "Will {name} win the {place} mayoral election?", ("Politics", "Elections")),
    (Category.SPORTS, "{place} Cup winner", "Will the {name} win the {place} Cup?", ("Sports", "Cups")),
    (Category.CULTURE, "{place} film prize: best picture", "Will “{name}” take best picture at the {place} film prize?", ("Culture", "Awards")),
    (Category.TECH, "Which lab tops the {place} model ranking?", "Will {name} lead the {place} model ranking at the end of the month?", ("Tech", "AI")),
    (Category.ECONOMICS, "{place} central bank: rate after the next meeting", "Will the {place} central bank set its rate at {name}?", ("Economy", "Rates")),
)  # fmt: skip
FILMS = (
    "The Salt Road", "Paper Lighthouse", "Nine Winters", "A Quiet Meridian", "Glass Orchard", "Tomorrow's Ferry",
    "The Cartographer", "Low Tide", "Amber Season", "Small Hours",
)  # fmt: skip
LABS = ("Helio Labs", "Northwind AI", "Quartz Research", "Tandem", "Blue Finch", "Mosaic", "Arcadia", "Loom", "Vertex Nine", "Kestrel")  # fmt: skip
RATES = ("2.00%", "2.25%", "2.50%", "2.75%", "3.00%", "3.25%", "3.50%", "3.75%", "4.00%", "4.25%")

SINGLES: tuple[tuple[Category, str, float, tuple[str, ...]], ...] = (
    (Category.POLITICS, "Will the {place} council pass its budget before the deadline?", 0.62, ("Politics",)),
    (Category.GEOPOLITICS, "Will {place} and {other} sign the water treaty this quarter?", 0.21, ("Geopolitics",)),
    (Category.FINANCE, "Will the {place} share index close the month higher?", 0.55, ("Finance", "Indices")),
    (Category.TECH, "Will {lab} release its next model this month?", 0.38, ("Tech", "AI")),
    (Category.WEATHER, "Will {place} record a temperature above 35°C this week?", 0.03, ("Weather",)),
    (Category.CULTURE, "Will “{film}” open first at the box office?", 0.47, ("Culture", "Movies")),
    (Category.ECONOMICS, "Will inflation in {place} come in above 2.5%?", 0.44, ("Economy", "Inflation")),
    (Category.MENTIONS, "Will {person} say “tariff” in tonight's address?", 0.71, ("Mentions",)),
    (Category.MENTIONS, "Will the host of the {place} show say “sandwich” tonight?", 0.35, ("Mentions",)),
    (Category.OTHER, "Will the {place} bridge open before the end of the month?", 0.968, ("World",)),
)
LADDERS: tuple[tuple[Category, str, str, tuple[str, ...]], ...] = (
    (Category.TECH, "{lab} goes public by…?", "Will {lab} be listed on an exchange by {name}?", ("Tech", "IPOs")),
    (Category.GEOPOLITICS, "Ceasefire talks in {place} concluded by…?", "Will the talks in {place} be concluded by {name}?", ("Geopolitics",)),
    (Category.CULTURE, "{person}'s new album out by…?", "Will {person} release a new album by {name}?", ("Culture", "Music")),
)  # fmt: skip

YES_NO_RULES = (
    "This market settles to Yes when the statement in its title has become true by the closing time, and to No "
    "otherwise. {source} decides; if it has published nothing by then, a majority of independent reports does."
)
GROUP_RULES = (
    "Exactly one outcome of this event settles to Yes. This market is about one of them. {source} decides. If the "
    "event is called off for good, every outcome settles half to Yes and half to No."
)
AUGMENTED_RULES = (
    " Outcomes may be added later from the placeholders; “Other” covers whoever is not named when the event ends."
)
GAME_RULES = (
    "Settles on the official result of the game, extra time included. A game that is called off and not replayed "
    "within a week settles half and half."
)
UPDOWN_RULES = (
    "Settles to Up when the price of {coin} at the end of the interval is at or above its price at the start, and "
    "to Down otherwise. Both prices come from the feed named as the source."
)
STRIKE_RULES = (
    "Settles to Yes when the price of {coin} is above the stated level at the closing time, by the feed named as the "
    "source, and to No otherwise."
)

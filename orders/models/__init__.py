"""Tables of the execution stage. Other apps reach them through `orders.selectors` and services."""

from orders.models.account import Account, KillSwitch
from orders.models.ledger import LedgerEntry, LedgerTransaction
from orders.models.order import Fill, Order
from orders.models.paper import PaperCursor, PaperOrder, PaperTrade
from orders.models.portfolio import PnlSnapshot, Position
from orders.models.reconcile import Discrepancy, ReconcileRun

__all__ = [
    "Account",
    "Discrepancy",
    "Fill",
    "KillSwitch",
    "LedgerEntry",
    "LedgerTransaction",
    "Order",
    "PaperCursor",
    "PaperOrder",
    "PaperTrade",
    "PnlSnapshot",
    "Position",
    "ReconcileRun",
]

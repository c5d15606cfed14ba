"""Tables of the execution stage. Other apps reach them through `orders.selectors` and services."""

from orders.models.account import Account, KillSwitch
from orders.models.chain import AllowanceCheck, ChainAction
from orders.models.checkup import DoctorRun, KillRehearsal
from orders.models.conditions import HeartbeatState, StreamState, VenueCondition
from orders.models.keys import LivePermit, SealingKey, Secret
from orders.models.ledger import LedgerEntry, LedgerTransaction
from orders.models.order import Fill, Order
from orders.models.ownership import AccountLease
from orders.models.paper import PaperCursor, PaperOrder, PaperTrade
from orders.models.plans import ExecutionPlan, PlanLeg
from orders.models.portfolio import PnlSnapshot, Position
from orders.models.reconcile import Discrepancy, ReconcileRun
from orders.models.submission import ExternalOrder, OrderSubmission, SendAttempt

__all__ = [
    "Account",
    "AccountLease",
    "AllowanceCheck",
    "ChainAction",
    "Discrepancy",
    "DoctorRun",
    "ExecutionPlan",
    "ExternalOrder",
    "Fill",
    "HeartbeatState",
    "KillRehearsal",
    "KillSwitch",
    "LedgerEntry",
    "LedgerTransaction",
    "LivePermit",
    "Order",
    "OrderSubmission",
    "PaperCursor",
    "PaperOrder",
    "PaperTrade",
    "PlanLeg",
    "PnlSnapshot",
    "Position",
    "ReconcileRun",
    "SealingKey",
    "Secret",
    "SendAttempt",
    "StreamState",
    "VenueCondition",
]

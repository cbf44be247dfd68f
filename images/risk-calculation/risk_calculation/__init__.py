"""risk-calculation: a shard of positions becomes P&L in every scenario, and sensitivities."""

from risk_calculation.calculate import handle

__all__ = ["handle"]

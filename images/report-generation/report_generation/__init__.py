"""report-generation: the figures of all shards become VaR, ES and a report."""

from report_generation.generate import handle

__all__ = ["handle"]

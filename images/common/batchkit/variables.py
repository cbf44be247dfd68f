"""The environment variables of a task: written by the templates, read by the stages."""

from __future__ import annotations

from enum import StrEnum


class Variable(StrEnum):
    """Through these a task learns where it is and what it works on."""

    STAGE = "STAGE"
    ENVIRONMENT = "ENVIRONMENT"
    INPUT_BUCKET = "INPUT_BUCKET"
    OUTPUT_BUCKET = "OUTPUT_BUCKET"
    LEDGER_TABLE = "LEDGER_TABLE"
    QUEUE_URL = "QUEUE_URL"
    DEAD_LETTER_QUEUE_URL = "DEAD_LETTER_QUEUE_URL"
    TASK_PRICE_PER_HOUR = "TASK_PRICE_PER_HOUR"
    """USD, of a task of this size; what a piece of work cost is told in metrics."""

    EVENT_BUCKET = "EVENT_BUCKET"
    EVENT_KEY = "EVENT_KEY"
    EVENT_VERSION_ID = "EVENT_VERSION_ID"

    STAGES = "STAGES"
    """For `reconcile`: a JSON list of {"name", "bucket", "key_pattern", "queue_url"}."""
    RUN_EXPECTED_MINUTES = "RUN_EXPECTED_MINUTES"
    """For `reconcile`: a run that is open for longer is overdue."""
    RECONCILE_LOOKBACK_HOURS = "RECONCILE_LOOKBACK_HOURS"
    """For `reconcile`: older input is left alone."""

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
    EVENT_BUCKET = "EVENT_BUCKET"
    EVENT_KEY = "EVENT_KEY"
    EVENT_VERSION_ID = "EVENT_VERSION_ID"
    EVENT_SEQUENCER = "EVENT_SEQUENCER"

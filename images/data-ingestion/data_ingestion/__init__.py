"""data-ingestion: a positions file becomes typed shards, a quarantine and a scenario set."""

from data_ingestion.ingest import handle

__all__ = ["handle"]

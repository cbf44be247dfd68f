"""What the stages' images share: events, the ledger, S3 access, logging, the worker."""

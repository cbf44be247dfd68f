"""What a run is called and where its objects lie. Every key is made here and nowhere else."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

POSITIONS_PREFIX: Final = "positions/"
MARKET_DATA_PREFIX: Final = "market-data/"
RUNS_PREFIX: Final = "runs/"
FILE_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
"""Of positions and of market data."""

_SLUG_CHARACTERS: Final = 40
_DIGEST_CHARACTERS: Final = 16


def run_id(bucket: str, key: str, version_id: str | None) -> str:
    """Return the run that an input object makes: the same object in the same version, the same run.

    It begins with the file's name, for people, and ends in a digest of all three, for uniqueness.
    """
    digest = hashlib.sha256("\0".join((bucket, key, version_id or "")).encode()).hexdigest()
    name = key.rsplit("/", 1)[-1].split(".", 1)[0].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", name)[:_SLUG_CHARACTERS].strip("-")
    return "-".join(part for part in (slug, digest[:_DIGEST_CHARACTERS]) if part)


def run_of_key(key: str) -> str | None:
    """Return the run to which a key in the output bucket belongs, or None."""
    match = re.match(rf"{RUNS_PREFIX}([^/]+)/.", key)
    return match[1] if match else None


def shard_of_key(key: str) -> str | None:
    """Return the shard's name, e.g. 00000, when the key is that of a shard."""
    match = re.fullmatch(rf"{RUNS_PREFIX}[^/]+/shards/([0-9]+)\.parquet", key)
    return match[1] if match else None


def shard_name(index: int) -> str:
    """Return the name of the shard with that index; names sort as indices do."""
    return f"{index:05d}"


def market_data_prefix(as_of: str) -> str:
    """Return what the key of the market data of that ISO date begins with."""
    return f"{MARKET_DATA_PREFIX}{as_of}."


@dataclass(frozen=True)
class RunKeys:
    """The keys of one run in the output bucket."""

    run_id: str

    @property
    def prefix(self) -> str:
        """All of the run lies below it."""
        return f"{RUNS_PREFIX}{self.run_id}/"

    @property
    def input_copy(self) -> str:
        """Where a Parquet input is copied to, so that one version of it can be scanned."""
        return f"{self.prefix}input.parquet"

    @property
    def manifest(self) -> str:
        """Which shards the run has, and what they were made with."""
        return f"{self.prefix}manifest.json"

    @property
    def scenarios(self) -> str:
        """The one scenario set of the run."""
        return f"{self.prefix}scenarios.parquet"

    @property
    def quarantine(self) -> str:
        """Refused rows, each with its reasons."""
        return f"{self.prefix}quarantine.parquet"

    @property
    def rejected(self) -> str:
        """Why the run has no report."""
        return f"{self.prefix}rejected.json"

    @property
    def complete(self) -> str:
        """Written once, when the last shard is done; starts the report."""
        return f"{self.prefix}risk/complete.json"

    @property
    def report_prefix(self) -> str:
        """What the report's files begin with."""
        return f"{self.prefix}report/"

    def shard(self, name: str) -> str:
        """Typed, validated positions; starts a risk calculation."""
        return f"{self.prefix}shards/{name}.parquet"

    def risk(self, name: str) -> str:
        """What one shard adds to the run's figures."""
        return f"{self.prefix}risk/{name}.parquet"

    def report(self, file: str) -> str:
        """One file of the report, e.g. report.html."""
        return f"{self.report_prefix}{file}"

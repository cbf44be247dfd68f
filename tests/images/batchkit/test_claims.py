from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from batchkit.claims import Claim, Claims, Finished, Taken, claim_key
from batchkit.errors import LostClaimError
from batchkit.events import S3Event

if TYPE_CHECKING:
    from tests.images.conftest import Place

EVENT = S3Event("input", "positions/a.csv", "v1")
STAGE = "data-ingestion"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claims(place: Place, clock: Clock) -> Claims:
    return replace(place.claims, clock=clock, lease_seconds=60)


def claimed(claims: Claims) -> Claim:
    claim = claims.acquire(STAGE, EVENT, "run")
    assert isinstance(claim, Claim)
    return claim


def test_the_first_owner_gets_it_and_the_second_learns_until_when(
    claims: Claims, clock: Clock
) -> None:
    first = claimed(claims)
    assert first.attempt == 1
    assert claims.acquire(STAGE, EVENT, "run") == Taken(first.owner, clock.now + 60)


def test_another_version_or_stage_is_another_claim(claims: Claims) -> None:
    claimed(claims)
    assert isinstance(claims.acquire(STAGE, replace(EVENT, version_id="v2"), "run"), Claim)
    assert isinstance(claims.acquire("other", EVENT, "run"), Claim)
    assert claim_key(STAGE, replace(EVENT, version_id=None)).endswith("@null")


def test_what_is_done_is_never_claimed_again(claims: Claims, clock: Clock) -> None:
    claims.complete(claimed(claims))
    clock.now += 1e9
    assert claims.acquire(STAGE, EVENT, "run") == Finished()


def test_a_renewed_lease_holds_and_an_expired_one_is_taken_over(
    claims: Claims, clock: Clock
) -> None:
    stale = claimed(claims)
    clock.now += 59
    claims.renew(stale)
    clock.now += 59
    assert isinstance(claims.acquire(STAGE, EVENT, "run"), Taken)
    clock.now += 1
    second = claimed(claims)
    assert second.attempt == 2
    for change in (claims.renew, claims.complete, lambda claim: claims.fail(claim, "x")):
        with pytest.raises(LostClaimError):
            change(stale)
    claims.complete(second)


def test_an_owner_past_its_lease_may_complete_while_nobody_else_has_it(
    claims: Claims, clock: Clock
) -> None:
    claim = claimed(claims)
    clock.now += 1000
    claims.complete(claim)
    assert claims.acquire(STAGE, EVENT, "run") == Finished()


def test_a_failed_claim_is_free_at_once_and_keeps_its_reason(claims: Claims) -> None:
    claims.fail(claimed(claims), "no memory")
    item = claims.find(claim_key(STAGE, EVENT))
    assert (item["state"], item["reason"]) == ("failed", "no memory")
    assert claimed(claims).attempt == 2
    assert "reason" not in claims.find(claim_key(STAGE, EVENT))


def test_of_many_at_once_exactly_one_gets_it(claims: Claims) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: claims.acquire(STAGE, EVENT, "run"), range(16)))
    assert sum(isinstance(outcome, Claim) for outcome in outcomes) == 1

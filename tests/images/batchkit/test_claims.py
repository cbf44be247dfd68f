from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.claims import Buried, Claim, Claims, Finished, Spent, Taken, claim_key
from batchkit.errors import LostClaimError
from batchkit.events import S3Event
from batchkit.waiting import nudge
from botocore.exceptions import ClientError

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
    for change in (
        claims.renew,
        claims.complete,
        lambda claim: claims.fail(claim, "x"),
        lambda claim: claims.release(claim, "x"),
        lambda claim: claims.bury(claim, "x"),
    ):
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


def test_an_interruption_is_no_attempt(claims: Claims) -> None:
    for _ in range(5):
        claim = claimed(claims)
        assert claim.attempt == 1
        claims.release(claim, "stopped")
    assert claims.find(claim.id)["reason"] == "stopped"


def test_after_three_attempts_a_claim_is_taken_to_be_buried_only(
    claims: Claims, clock: Clock
) -> None:
    for _ in range(3):
        claims.fail(claimed(claims), "no memory")
    spent = claims.acquire(STAGE, EVENT, "run")
    assert isinstance(spent, Spent)
    assert (spent.claim.attempt, spent.reason) == (3, "no memory")
    assert claims.acquire(STAGE, EVENT, "run") == Taken(spent.claim.owner, clock.now + 60)
    # Whoever is stopped meanwhile leaves it to the next.
    clock.now += 60
    again = claims.acquire(STAGE, EVENT, "run")
    assert isinstance(again, Spent)
    with pytest.raises(LostClaimError):
        claims.bury(spent.claim, spent.reason)
    claims.bury(again.claim, again.reason)
    clock.now += 1e9
    assert claims.acquire(STAGE, EVENT, "run") == Buried()


@pytest.mark.parametrize("failure", [None, "exit code 137, OutOfMemoryError"])
def test_an_owner_that_ended_without_a_word_is_spoken_for(
    claims: Claims, clock: Clock, failure: str | None
) -> None:
    for _ in range(3):
        claimed(claims)
        clock.now += 60
    spent = claims.acquire(STAGE, replace(EVENT, failure=failure), "run")
    assert isinstance(spent, Spent)
    assert spent.reason == failure or "without a word" in spent.reason


def losing_answers(claims: Claims, times: int = 1) -> Claims:
    """Claims whose writes are done, then not answered, then repeated, as botocore does."""

    class Client:
        def __getattr__(self, name: str) -> Any:
            call = getattr(claims.client, name)
            if name != "update_item":
                return call

            def repeated(**request: Any) -> Any:
                for _ in range(times):
                    with suppress(ClientError):
                        call(**request)
                return call(**request)

            return repeated

    client: Any = Client()
    return replace(claims, client=client)


def test_writes_whose_answers_are_lost_are_done_once(claims: Claims, clock: Clock) -> None:
    lossy = losing_answers(claims)
    first = claimed(lossy)
    assert first.attempt == 1
    lossy.renew(first)
    lossy.release(first, "stopped")
    assert claims.find(first.id)["attempts"] == 0
    for _ in range(2):
        lossy.fail(claimed(lossy), "no memory")
    assert claimed(lossy).attempt == 3
    clock.now += 60
    spent = lossy.acquire(STAGE, EVENT, "run")
    assert isinstance(spent, Spent)
    lossy.bury(spent.claim, spent.reason)
    assert claims.find(first.id)["state"] == "dead"
    other = replace(EVENT, key="other")
    claim = lossy.acquire(STAGE, other, "run")
    assert isinstance(claim, Claim)
    lossy.complete(claim)
    assert nudge(lossy, STAGE, replace(EVENT, key="third"), "run", {})


def test_of_many_at_once_exactly_one_gets_it(claims: Claims) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: claims.acquire(STAGE, EVENT, "run"), range(16)))
    assert sum(isinstance(outcome, Claim) for outcome in outcomes) == 1

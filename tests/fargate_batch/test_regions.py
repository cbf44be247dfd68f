from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from fargate_batch.regions import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"])
def test_regions_of_every_partition_pass(region: str) -> None:
    refuse_unknown(region, "here")


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("mars-1", "here: AWS has no region 'mars-1'. Set one such as eu-west-1. One "),
        ("eu-west1", "here: AWS has no region 'eu-west1'. Is eu-west-1 meant? One "),
        (None, "here: AWS has no region None. "),
        (["eu-west-1"], "here: AWS has no region "),
    ],
)
def test_others_are_refused_with_the_place_and_a_way_out(region: object, said: str) -> None:
    with pytest.raises(UserError) as refused:
        refuse_unknown(region, "here")
    assert str(refused.value).startswith(said)


@pytest.mark.usefixtures("project")
def test_a_region_that_batch_is_given_is_looked_at_too(batch: Callable[..., Any]) -> None:
    ended = batch("runs", "--region", "eu-west1")
    assert ended.code == 1
    assert ended.message.startswith("--region: AWS has no region 'eu-west1'.")

"""The regions that AWS has, in every partition, as botocore lists them: nobody is asked."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Final

import botocore.session

from fargate_batch.errors import UserError

# Every region has CloudFormation.
_EVERYWHERE: Final = "cloudformation"


@cache
def known_regions() -> frozenset[str]:
    """The names of all regions."""
    session = botocore.session.get_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(_EVERYWHERE, partition)
    )


def refuse_unknown(region: object, place: str) -> None:
    """Return when AWS has a region of that name.

    Args:
        region: its name, as somebody wrote it.
        place: where it was written, which the message begins with.

    Raises:
        UserError: AWS has none, as far as this botocore knows.
    """
    if isinstance(region, str) and region in known_regions():
        return
    near = get_close_matches(str(region), known_regions(), n=1)
    hint = f"Is {near[0]} meant?" if near else "Set one such as eu-west-1."
    raise UserError(
        f"{place}: AWS has no region {region!r}. {hint} One that is newer than botocore "
        f"{botocore.__version__} needs a newer botocore: `make lock`, then `make install`."
    )

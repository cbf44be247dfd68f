"""What AWS charges for the parts of an environment, in USD, before taxes and discounts.

Linux on X86_64, on demand, as AWS listed it in November 2025:

- Fargate: https://aws.amazon.com/fargate/pricing/; by the second, one minute at least. The first
  20 GB of a task's ephemeral storage are free.
- Interface endpoints: https://aws.amazon.com/privatelink/pricing/; by the hour in each zone.
- Keys: https://aws.amazon.com/kms/pricing/.
- Alarms and metrics of one's own: https://aws.amazon.com/cloudwatch/pricing/; each metric that an
  alarm looks at counts. The first ten of each in an account are free, which is left out here.

Fargate Spot's price follows supply and demand; AWS speaks of up to 70% off, which is assumed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOURS_IN_MONTH: Final = 730
SPOT_DISCOUNT: Final = 0.7
"""An assumption: what Spot takes off Fargate's price."""

KEY_MONTH: Final = 1.00
ALARM_METRIC_MONTH: Final = 0.10
CUSTOM_METRIC_MONTH: Final = 0.30

_UNITS_PER_VCPU: Final = 1024
_MIB_PER_GB: Final = 1024
_LISTED: Final = "eu-west-1"


@dataclass(frozen=True)
class Prices:
    """What a region charges for an hour."""

    vcpu: float
    gigabyte: float
    """Of a task's memory."""
    endpoint: float
    """Of an interface endpoint in one zone."""


_REGIONS: Final = {
    "eu-west-1": Prices(vcpu=0.04048, gigabyte=0.004445, endpoint=0.011),
    "us-east-1": Prices(vcpu=0.04048, gigabyte=0.004445, endpoint=0.010),
}


def of(region: str) -> Prices:
    """A region's prices; Ireland's for one that is not listed here, which may be a third off."""
    return _REGIONS.get(region, _REGIONS[_LISTED])


def task_price_per_hour(cpu: int, memory_mib: int, *, spot: bool = False) -> float:
    """What a task costs in an hour in Ireland.

    Args:
        cpu: CPU units; 1024 are one vCPU.
        memory_mib: its memory.
        spot: whether it runs on FARGATE_SPOT.
    """
    prices = _REGIONS[_LISTED]
    price = cpu / _UNITS_PER_VCPU * prices.vcpu + memory_mib / _MIB_PER_GB * prices.gigabyte
    return price * (1 - SPOT_DISCOUNT) if spot else price


def expected_task_price_per_hour(cpu: int, memory_mib: int, *, spot_share: float) -> float:
    """What a task costs in an hour on average, when `spot_share` of them run on FARGATE_SPOT."""
    return spot_share * task_price_per_hour(cpu, memory_mib, spot=True) + (
        1 - spot_share
    ) * task_price_per_hour(cpu, memory_mib)

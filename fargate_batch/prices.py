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

from typing import Final

HOURS_IN_MONTH: Final = 730
SPOT_DISCOUNT: Final = 0.7
"""An assumption: what Spot takes off Fargate's price."""

KEY_MONTH: Final = 1.00
ALARM_METRIC_MONTH: Final = 0.10
CUSTOM_METRIC_MONTH: Final = 0.30

_VCPU_HOUR: Final = 0.04048
_GIGABYTE_HOUR: Final = 0.004445
"""Of a task's memory."""
_ENDPOINT_HOUR: Final = {"eu-west-1": 0.011, "us-east-1": 0.010}
_UNITS_PER_VCPU: Final = 1024
_MIB_PER_GB: Final = 1024


def endpoint_price_per_hour(region: str) -> float:
    """What an interface endpoint costs in one zone in an hour.

    Ireland's price for a region that is not listed here; its own may be a third off.
    """
    return _ENDPOINT_HOUR.get(region, _ENDPOINT_HOUR["eu-west-1"])


def task_price_per_hour(cpu: int, memory_mib: int, *, spot: bool = False) -> float:
    """What a task costs in an hour in Ireland, or in Virginia.

    Args:
        cpu: CPU units; 1024 are one vCPU.
        memory_mib: its memory.
        spot: whether it runs on FARGATE_SPOT.
    """
    price = cpu / _UNITS_PER_VCPU * _VCPU_HOUR + memory_mib / _MIB_PER_GB * _GIGABYTE_HOUR
    return price * (1 - SPOT_DISCOUNT) if spot else price


def expected_task_price_per_hour(cpu: int, memory_mib: int, *, spot_share: float) -> float:
    """What a task costs in an hour on average, when `spot_share` of them run on FARGATE_SPOT."""
    return spot_share * task_price_per_hour(cpu, memory_mib, spot=True) + (
        1 - spot_share
    ) * task_price_per_hour(cpu, memory_mib)

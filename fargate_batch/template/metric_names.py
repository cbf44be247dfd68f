"""What AWS calls the metrics that scaling, alarms and dashboard look at.

Apart from `metrics`, which imports CDK: whoever imports that starts node.
"""

from __future__ import annotations

from typing import Final

SQS: Final = "AWS/SQS"
WAITING: Final = "ApproximateNumberOfMessagesVisible"
IN_HAND: Final = "ApproximateNumberOfMessagesNotVisible"
OLDEST: Final = "ApproximateAgeOfOldestMessage"

INSIGHTS: Final = "ECS/ContainerInsights"
RUNNING_TASKS: Final = "RunningTaskCount"

"""For each stage the service that works its queue, and how it scales."""

from __future__ import annotations

from troposphere import GetAtt, Sub, Template, ecs

from fargate_batch.names import GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch, Settings, Stage
from fargate_batch.template.compute import PLATFORM_VERSION, capacity_strategy
from fargate_batch.template.parts import STRINGS, give, new_template, rendered, wired
from fargate_batch.template.scaling import add_scaling


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The stages' services, their scalable targets and policies."""
    names = GivenNames(environment.project)
    template = new_template("Services of the stages, and how they scale")
    wired(template, Output.CLUSTER_NAME)
    for stage in environment.stages:
        service = template.add_resource(_service(template, stage, environment, names))
        # In both dispatch modes the queue may hold work, which its service takes from zero tasks.
        # Only in queue mode it holds all of it, and its length matters.
        add_scaling(
            template,
            stage,
            service,
            names,
            hold_backlog=stage.dispatch is Dispatch.QUEUE and environment.counts_tasks,
        )
        give(template, StageOutput.SERVICE_NAME.of(stage.name), GetAtt(service, "Name"))
    return template


def _service(
    template: Template, stage: Stage, environment: Settings, names: GivenNames
) -> ecs.Service:
    return ecs.Service(
        f"{stage.logical_id}Service",
        ServiceName=Sub(names.service(stage.name)),
        Cluster=wired(template, Output.CLUSTER_ARN),
        TaskDefinition=wired(template, StageOutput.TASK_DEFINITION_ARN.of(stage.name)),
        # CloudFormation has no initial count that it then leaves alone: without one it starts a
        # task before anybody asked, with one it writes it again whenever the service itself
        # changes. So a new image stops a stage's workers, a busy one when it is done, and the
        # queue's depth starts new ones within two minutes. A relaunch that changes nothing keeps
        # whatever the scaling has set.
        DesiredCount=0,
        CapacityProviderStrategy=[
            ecs.CapacityProviderStrategyItem(**item)
            for item in capacity_strategy(environment.capacity)
        ],
        PlatformVersion=PLATFORM_VERSION,
        # Fargate takes no placement strategies; three subnets and this spread over the zones.
        AvailabilityZoneRebalancing="ENABLED",
        DeploymentConfiguration=ecs.DeploymentConfiguration(
            MinimumHealthyPercent=100,
            MaximumPercent=200,
            DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True),
        ),
        # For the container's own check; ECS once took this behind a load balancer only.
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
        HealthCheckGracePeriodSeconds=120,
        EnableECSManagedTags=True,
        PropagateTags="SERVICE",
        NetworkConfiguration=ecs.NetworkConfiguration(
            AwsvpcConfiguration=ecs.AwsvpcConfiguration(
                AssignPublicIp="DISABLED",
                Subnets=wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS),
                SecurityGroups=[wired(template, Output.TASK_SECURITY_GROUP_ID)],
            )
        ),
    )

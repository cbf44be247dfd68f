"""The parts every template is made of: its handler, the suffix, wired parameters, outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from troposphere import Export, Output, Parameter, Ref, Sub, Tags, Template

from fargate_batch import settings
from fargate_batch.names import SUFFIX_PARAMETER, SUFFIX_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable

STRINGS: Final = "CommaDelimitedList"


def rendered(build: Callable[[settings.Settings], Template]) -> Callable[[dict[str, Any]], str]:
    """Make the handler that Sceptre calls out of what builds a template from settings.

    Returns:
        Takes `sceptre_user_data` and returns the template's body; raises UserError when a setting
        is missing or out of range.
    """

    def handler(sceptre_user_data: dict[str, Any]) -> str:
        return body(build(settings.load(sceptre_user_data)))

    return handler


def new_template(description: str, *, default_suffix: str | None = None) -> Template:
    """A template that takes the environment's suffix, as all of them do.

    Args:
        description: what the stack holds, in one sentence.
        default_suffix: the suffix of a stack that is launched without one.
    """
    template = Template(Description=description)
    template.set_version("2010-09-09")
    default = {} if default_suffix is None else {"Default": default_suffix}
    template.add_parameter(
        Parameter(
            SUFFIX_PARAMETER,
            Type="String",
            AllowedPattern=SUFFIX_PATTERN,
            ConstraintDescription="letters and digits only",
            Description="The environment's name; every given name ends in it.",
            **default,
        )
    )
    return template


def wired(template: Template, name: str, *, kind: str = "String") -> Ref:
    """Take another stack's output as a parameter of the same name.

    Returns:
        A reference to the parameter.
    """
    if name not in template.parameters:
        template.add_parameter(Parameter(name, Type=kind))
    return Ref(name)


def mark(template: Template, output: str) -> str:
    """What Fn::Sub replaces by another stack's output, which becomes a parameter."""
    wired(template, output)
    return f"${{{output}}}"


def arn(service: str, resource: str) -> str:
    """The ARN of a resource of this region and account, for Fn::Sub to fill in."""
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def give(template: Template, name: str, value: Any, *, export: str | None = None) -> None:
    """Add an output; an export's name may use Fn::Sub's references."""
    exported = {} if export is None else {"Export": Export(Sub(export))}
    template.add_output(Output(name, Value=value, **exported))


def name_tag(name: str) -> Tags:
    """The tag that consoles show as a resource's name."""
    return Tags(Name=Sub(name))


def body(template: Template) -> str:
    """The template as CloudFormation takes it, without spaces: a body's size is limited."""
    text: str = template.to_json(indent=None, separators=(",", ":"), sort_keys=False)
    return text

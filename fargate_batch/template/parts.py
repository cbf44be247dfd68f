"""The parts every template is made of: the suffix parameter, wired parameters, outputs."""

from __future__ import annotations

from typing import Any, Final

from troposphere import Export, Output, Parameter, Ref, Sub, Tags, Template

from fargate_batch.names import SUFFIX_PARAMETER, SUFFIX_PATTERN

STRINGS: Final = "CommaDelimitedList"


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

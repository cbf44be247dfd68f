"""How a wrong setting is told: by the file and the field that a person has to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHARED_FIELDS: Final = ("project", "base_image", "stages")


def explain(
    error: ValidationError, environment: str, stages: list[str], overrides: dict[str, Any]
) -> str:
    """Say what is wrong: each problem with the file and the field that it stands in.

    Args:
        error: what pydantic found.
        environment: whose settings they are.
        stages: the catalogue's stages, in its order.
        overrides: for each stage the fields that the environment sets itself.
    """
    problems = []
    for problem in error.errors():
        location = [str(part) for part in problem["loc"]]
        file = f"config/{environment}/config.yaml"
        if location and location[0] in _SHARED_FIELDS:
            file = "config/config.yaml"
        if location[:1] == ["stages"] and len(location) > 1:
            name = stages[int(location[1])]
            if len(location) > 2 and location[2] in (overrides.get(name) or {}):
                file = f"config/{environment}/config.yaml"
                location = ["stage_settings", name, *location[2:]]
            else:
                location = ["stages", name, *location[2:]]
        given = problem.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        field = ".".join(["sceptre_user_data", *location])
        message = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{file}: {field}: {message}{shown}")
    return "; ".join(problems)

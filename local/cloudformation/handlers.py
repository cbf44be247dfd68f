"""CloudFormation resource types: how MiniStack is told to create, update and delete one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]
"""The physical id, which is what Ref returns, and what Fn::GetAtt returns by name."""

HANDLERS: Final = Symbol("services.cloudformation.provisioners", "_RESOURCE_HANDLERS")


@dataclass(frozen=True)
class ResourceType:
    """One resource type, as three functions.

    A function that raises makes the resource, and with it the stack's operation, fail.
    """

    create: Callable[[Properties], Created]
    update: Callable[[str, Properties, Properties], Created]
    """Takes the physical id, the old and the new properties."""
    delete: Callable[[str, Properties], None]

    def register(self, name: str) -> None:
        """Make MiniStack use it."""

        def create(_logical_id: str, properties: Properties, _stack: str) -> Created:
            return self.create(properties)

        def update(physical_id: str, old: Properties, new: Properties, _stack: str) -> Created:
            return self.update(physical_id, old, new)

        HANDLERS.get()[name] = {"create": create, "update": update, "delete": self.delete}


def after_write(name: str, action: Callable[[str, Properties], None]) -> None:
    """Let `action(physical_id, properties)` follow each create and update of an existing type."""
    handler = HANDLERS.get()[name]
    create, update = handler["create"], handler["update"]

    def create_and_act(logical_id: str, properties: Properties, stack: str) -> Created:
        physical_id, attributes = create(logical_id, properties, stack)
        action(physical_id, properties)
        return physical_id, attributes

    def update_and_act(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Created:
        physical_id, attributes = update(physical_id, old, new, stack, *logical_id)
        action(physical_id, new)
        return physical_id, attributes

    handler["create"], handler["update"] = create_and_act, update_and_act


def before_create(name: str, check: Callable[[Properties], None]) -> None:
    """Let `check(properties)` precede each create; it raises to refuse."""
    handler = HANDLERS.get()[name]
    create = handler["create"]

    def check_and_create(logical_id: str, properties: Properties, stack: str) -> Created:
        check(properties)
        created: Created = create(logical_id, properties, stack)
        return created

    handler["create"] = check_and_create


def before_write(name: str, check: Callable[[Properties], None]) -> None:
    """Let `check(properties)` precede each create and update; it raises to refuse."""
    before_create(name, check)
    handler = HANDLERS.get()[name]
    update = handler["update"]

    def check_and_update(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Created:
        check(new)
        updated: Created = update(physical_id, old, new, stack, *logical_id)
        return updated

    handler["update"] = check_and_update


def rewrite(name: str, normal: Callable[[Properties], Properties]) -> None:
    """Let create, update and delete see `normal(properties)` instead of the properties."""
    handler = HANDLERS.get()[name]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def create_normal(logical_id: str, properties: Properties, stack: str) -> Created:
        created: Created = create(logical_id, normal(properties), stack)
        return created

    def update_normal(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Created:
        updated: Created = update(physical_id, normal(old), normal(new), stack, *logical_id)
        return updated

    def delete_normal(physical_id: str, properties: Properties, *logical_id: str) -> None:
        delete(physical_id, normal(properties), *logical_id)

    handler.update(create=create_normal, update=update_normal, delete=delete_normal)


def before_delete(name: str, action: Callable[[str, Properties], None]) -> None:
    """Let `action(physical_id, properties)` precede each delete; it raises to refuse."""
    handler = HANDLERS.get()[name]
    delete = handler["delete"]

    def act_and_delete(physical_id: str, properties: Properties, *logical_id: str) -> None:
        action(physical_id, properties)
        delete(physical_id, properties, *logical_id)

    handler["delete"] = act_and_delete

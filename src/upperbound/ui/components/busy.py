"""Buttons whose work takes a while."""

from collections.abc import Awaitable, Callable
from typing import Any

from upperbound.ui.components.html import Tag


def on_click_once(element: Tag, work: Callable[[], Awaitable[Any]]) -> Tag:
    """Do ``work`` when the element is clicked; until it is done the element says so and does nothing."""

    async def handle() -> None:
        if element.props.get("aria-busy"):
            return
        element.attribute(aria_busy="true", disabled=True)
        try:
            await work()
        finally:
            element.attribute(aria_busy=None, disabled=None)

    element.on("click", handle)
    return element

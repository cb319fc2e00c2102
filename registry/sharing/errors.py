"""What sharing refuses beyond the registry's own errors."""

from __future__ import annotations

from exchange.text import Text
from registry.errors import Conflict


class Restricted(Conflict):
    """A grant of some items or rows cannot be enforced yet, and is not widened to the whole resource."""

    code = "restricted_grant"
    text = Text(
        "Only the whole resource can be opened: a grant of some items or rows needs a view topic, which does not exist",
        "目前只能整体授权：限定信息项或行的授权需要视图主题，尚未提供",
    )
    hint = Text(
        "Edit the request to ask for the whole resource, or ask the provider for a resource of its own.",
        "请将申请修改为整体使用，或商请提供方另行登记资源。",
    )

"""A request as a form: components by field name, in the order of the declaration."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from webui.core.choices import WITH_FILES
from webui.core.params import Field, Section, fields_of
from webui.ui import controls


@dataclass
class Form:
    """The controls of one request type in one tab.

    Build each control with :meth:`add` wherever the layout wants it. Values travel by field name:
    :meth:`js` gives page scripts an object of them, and what a script returns is set by name.
    Fields for pictures have no control here: the page's scripts put them into the request.
    """

    tab: str
    request: type
    choices: controls.Choices
    components: dict[str, Component] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    """The fields in folded parts of the form, and in which."""

    def add(self, name: str, **looks: Any) -> Component:
        """Build the control of field ``name`` here in the layout.

        ``looks`` are further arguments of the component (``lines``, ``placeholder``, and a
        ``value`` to begin with where the declared default leaves it open).
        """
        declared = {f.name: f for f in fields_of(self.request)}[name]
        made = controls.build(declared, self.tab, self.choices, looks)
        self.components[name] = made
        return made

    def add_section(self, section: Section, *others: str) -> None:
        """Build, here, the controls of a section's fields that have none yet, in their order, and
        of ``others``, which the form shows with them."""
        for declared in self.unplaced():
            if declared.param.section == section or declared.name in others:
                self.add(declared.name)
                self.sections[declared.name] = section

    @property
    def fields(self) -> tuple[Field, ...]:
        """The declared fields that have a control, in the declaration's order."""
        return tuple(f for f in fields_of(self.request) if f.name in self.components)

    def unplaced(self) -> tuple[Field, ...]:
        """The declared fields that have no control yet, in the declaration's order."""
        return tuple(
            f
            for f in fields_of(self.request)
            if f.name not in self.components and f.param.control != "picture"
        )

    def missing(self) -> set[str]:
        """Declared fields that were given no control."""
        return {f.name for f in self.unplaced()}

    def pick(self, names: Iterable[str] | None = None) -> list[Component]:
        """Components by name, all of them in the declaration's order by default."""
        chosen = [f.name for f in self.fields] if names is None else names
        return [self.components[name] for name in chosen]

    def js(self, call: str, names: Iterable[str] | None = None) -> str:
        """A page script for a Gradio event whose inputs are ``pick(names)``.

        ``call`` names a method of the page's ``easel`` object; it gets ``(tab, values)`` with the
        values by field name. What it returns goes to the event's outputs.
        """
        chosen = [f.name for f in self.fields] if names is None else list(names)
        return (
            f"async (...given) => await (await window.easelReady).{call}({json.dumps(self.tab)}, "
            f"Object.fromEntries({json.dumps(chosen)}.map((name, i) => [name, given[i]])))"
        )

    def describe(self) -> dict[str, Any]:
        """What the page's scripts need to know of the form, as JSON values.

        ``empty`` says that the control may be emptied, which is a value of its own; ``files`` is
        the set of names that the field chooses from, where files of models belong to it.
        """
        return {
            f.name: {
                "id": controls.elem_id(self.tab, f.name),
                "label": f.param.label,
                "help": f.param.help,
                "default": f.default,
                "empty": f.optional and f.param.control == "number",
                "section": self.sections.get(f.name),
                "files": f.param.choices if f.param.choices in WITH_FILES else None,
            }
            for f in self.fields
        }

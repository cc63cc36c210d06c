"""Which changes of an OpenAPI document would break a client that was written for the older one.

What clients send may become wider and what they get may become richer, never the other way round.
Descriptions and examples mean nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
Schema = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")
_AT_LEAST = ("minimum", "minLength", "minItems", "minProperties", "exclusiveMinimum")
_AT_MOST = ("maximum", "maxLength", "maxItems", "maxProperties", "exclusiveMaximum")
_DEEPEST = 40


def breaking(old: Document, new: Document) -> list[str]:
    """A sentence for each change that breaks a client; empty when it can be published as it is."""
    return list(_Comparison(old, new).all())


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new

    def all(self) -> Iterator[str]:
        for path, operations in self._old["paths"].items():
            for method in operations:
                if method not in _METHODS:
                    continue
                name = f"{method.upper()} {path}"
                now = self._new["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{name} is gone."
                else:
                    yield from self._operation(name, operations[method], now)

    def _operation(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._parameters(name, old, new)
        yield from self._body(name, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old.get("responses", {}).items():
            here = f"{name} answer {status}"
            found = new.get("responses", {}).get(status)
            if status >= "400":
                continue
            if found is None:
                yield f"{here} is gone."
            else:
                yield from self._answer(here, self._was(answer), self._is(found))

    def _parameters(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        before, now = _by_name(old), _by_name(new)
        for key, parameter in before.items():
            here = f"{name} parameter {key[1]}"
            if key not in now:
                yield f"{here} is gone."
                continue
            if now[key].get("required") and not parameter.get("required"):
                yield f"{here} has to be given now."
            yield from self._narrower(here, parameter["schema"], now[key]["schema"])
        for key, parameter in now.items():
            if key not in before and parameter.get("required"):
                yield f"{name} parameter {key[1]} is new and has to be given."

    def _body(self, name: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        here = f"{name} body"
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield f"{here} has to be given now."
        for media, content in (old or {}).get("content", {}).items():
            found = (new or {}).get("content", {}).get(media)
            if found is None:
                yield f"{here} may no longer be {media}."
            else:
                yield from self._narrower(here, content["schema"], found["schema"])

    def _answer(self, here: str, old: Schema, new: Schema) -> Iterator[str]:
        for media, content in old.get("content", {}).items():
            found = new.get("content", {}).get(media)
            if found is None:
                yield f"{here} is no longer {media}."
            else:
                yield from self._poorer(here, content["schema"], found["schema"])

    # ---- what clients send: nothing that was accepted may be refused

    def _narrower(
        self, here: str, old: Schema, new: Schema, above: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        if old.get("$ref") in above:
            return
        above |= set(_references(old))
        old, new = self._was(old), self._is(new)
        yield from _fewer(here, _kinds(old), _kinds(new), "no longer takes")
        yield from _fewer(here, _values(old), _values(new), "no longer takes")
        yield from _bounds(here, old, new)
        added = set(new.get("required", ())) - set(old.get("required", ()))
        yield from (f"{here}.{name} has to be given now." for name in sorted(added))
        known = new.get("properties", {})
        for name, each in old.get("properties", {}).items():
            if name in known:
                yield from self._narrower(f"{here}.{name}", each, known[name], above)
            elif _is_closed(new):
                yield f"{here}.{name} is gone."
        if _is_closed(new) and not _is_closed(old):
            yield f"{here} takes no other names now."
        if "items" in old and "items" in new:
            yield from self._narrower(f"{here}[]", old["items"], new["items"], above)

    # ---- what clients get: all that was there has to be there

    def _poorer(
        self, here: str, old: Schema, new: Schema, above: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        if old.get("$ref") in above:
            return
        above |= set(_references(old))
        old, new = self._was(old), self._is(new)
        yield from _fewer(here, _kinds(new), _kinds(old), "may now be")
        yield from _fewer(here, _values(new), _values(old), "may now be")
        known = new.get("properties", {})
        for name, each in old.get("properties", {}).items():
            if name not in known:
                yield f"{here}.{name} is gone."
                continue
            if name in old.get("required", ()) and name not in new.get("required", ()):
                yield f"{here}.{name} may be missing now."
            yield from self._poorer(f"{here}.{name}", each, known[name], above)
        if "items" in old and "items" in new:
            yield from self._poorer(f"{here}[]", old["items"], new["items"], above)

    def _was(self, schema: Schema) -> Schema:
        return _resolved(self._old, schema)

    def _is(self, schema: Schema) -> Schema:
        return _resolved(self._new, schema)


def _references(schema: Schema) -> list[str]:
    """The components that a schema is, or may be."""
    options = [schema, *schema.get("anyOf", ())]
    return [option["$ref"] for option in options if "$ref" in option]


def _resolved(document: Document, schema: Schema) -> Schema:
    """A schema with its reference followed; "this or null" as one schema of two types."""
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        _, _, kind, name = schema["$ref"].split("/")
        schema = document["components"][kind][name]
    options = schema.get("anyOf", ())
    plain = [option for option in options if option.get("type") != "null"]
    if len(plain) == 1 and len(options) == 2:
        found = _resolved(document, plain[0])
        return {**found, "type": [*(_kinds(found) or ()), "null"]}
    return schema


def _by_name(operation: Schema) -> dict[tuple[str, str], Schema]:
    """Parameters by place and name; headers are alike in any case."""
    found: dict[tuple[str, str], Schema] = {}
    for parameter in operation.get("parameters", ()):
        place, name = parameter["in"], parameter["name"]
        found[place, name.casefold() if place == "header" else name] = parameter
    return found


def _is_closed(schema: Schema) -> bool:
    return schema.get("additionalProperties", True) is False


def _kinds(schema: Schema) -> set[str] | None:
    """The types a value can have; None: any."""
    kind = schema.get("type")
    if kind is None:
        return None
    kinds = {kind} if isinstance(kind, str) else set(kind)
    return kinds | {"integer"} if "number" in kinds else kinds


def _values(schema: Schema) -> set[str] | None:
    """The values it can have; None: any of its types."""
    return {repr(value) for value in schema["enum"]} if "enum" in schema else None


def _fewer(here: str, before: set[str] | None, now: set[str] | None, says: str) -> Iterator[str]:
    """What was possible and is not any more."""
    if now is None:
        return
    if before is None:
        yield f"{here} {says} anything but {', '.join(sorted(now))}."
        return
    yield from (f"{here} {says} {one}." for one in sorted(before - now))


def _bounds(here: str, old: Schema, new: Schema) -> Iterator[str]:
    for names, is_narrower in ((_AT_LEAST, float.__gt__), (_AT_MOST, float.__lt__)):
        for name in names:
            bound, before = new.get(name), old.get(name)
            if bound is not None and (before is None or is_narrower(float(bound), float(before))):
                yield f"{here} has {name} {bound} now."
    for name in ("pattern", "multipleOf", "uniqueItems"):
        if new.get(name) is not None and new.get(name) != old.get(name):
            yield f"{here} has {name} {new[name]} now."

"""References inside a FHIR bundle: what they lead to, and when two lead to the same thing."""

from dataclasses import dataclass
from typing import Any

from serving.intake.fhir_bundle import Resource


@dataclass(frozen=True, slots=True)
class Referred:
    """What a reference leads to. key: equal for the same thing; alone: no key could be had."""

    model: Any = None
    name: str = ""
    key: str = ""
    alone: bool = False


class Bundle:
    """The resources of a bundle, found by reference."""

    def __init__(self, resources: list[Resource]) -> None:
        self.resources = resources
        self._index: dict[str, Resource] = {}
        for resource in resources:
            if resource.url:
                self._index.setdefault(resource.url, resource)
            if resource.model.id:
                self._index.setdefault(f"{resource.kind}/{resource.model.id}", resource)

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of one kind."""
        return [resource for resource in self.resources if resource.kind == kind]

    def find(self, reference: str) -> Resource | None:
        """Return what a reference (relative, absolute or urn) names, if the bundle holds it."""
        if not reference:
            return None
        plain = reference.split("/_history/", maxsplit=1)[0]
        tail = "/".join(plain.rsplit("/", 2)[-2:])
        return self._index.get(plain) or self._index.get(tail)

    def follow(self, reference: Any, document: Resource) -> Referred:
        """Return what a document's reference names, as far as the bundle holds it."""
        if reference is None:
            return Referred()
        target = reference.reference or ""
        stated = reference.identifier.value if reference.identifier else None
        if target.startswith("#"):  # contained: such an id means nothing outside its document
            inside = (r for r in document.model.contained or [] if f"#{r.id}" == target)
            model = next(inside, None)
            key = _number(model, with_system=True)
            return Referred(model, _name(model) or target[1:], key, alone=not key)
        found = self.find(target)
        if found is not None:
            return Referred(found.model, _name(found.model), found.name)
        return Referred(None, stated or target.rsplit("/", 1)[-1], target or str(stated))


def _name(model: Any) -> str:
    """Return the id for people: an encounter's visit number, else the logical id."""
    if model is None:
        return ""
    number = _number(model) if model.get_resource_type() == "Encounter" else ""
    return number or str(model.id or "")


def _number(model: Any, with_system: bool = False) -> str:
    """Return the first business identifier of a resource, or an empty string."""
    for known in (model.identifier if model is not None else None) or []:
        if known.value:
            return f"{known.system}|{known.value}" if with_system else str(known.value)
    return ""

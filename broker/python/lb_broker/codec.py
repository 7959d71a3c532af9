"""From messages to bytes and back. A message is a method and fields.

Encoders look ``json.dumps`` and ``pickle.dumps`` up when they are called, so that tests may put
others in their place.
"""

from __future__ import annotations

import base64
import json
import pickle
import re
from io import BytesIO
from typing import Any, Optional
from xml.etree import ElementTree

Fields = dict[str, Any]
Message = tuple[str, Fields]


# A text of JSON, with its quotes.
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def _escape_braces(text: "re.Match[str]") -> str:
    """The same text without braces, so that those of a message always come in pairs."""
    return text[0].replace("{", "\\u007b").replace("}", "\\u007d")


class Codec:
    """A serialization."""

    name: str

    def encode(self, method: str, fields: Fields) -> bytes:
        """Write a message."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Message:
        """Read a message."""
        raise NotImplementedError


class JSONCodec(Codec):
    """Objects, with the method as one of their fields."""

    name = "json"

    def encode(self, method: str, fields: Fields) -> bytes:
        # NaN is no JSON: better an error here than one from the broker.
        text = json.dumps({"method": method, **fields}, allow_nan=False)
        if text.count("{") != text.count("}"):
            text = _TEXT.sub(_escape_braces, text)
        return text.encode("utf-8")

    def decode(self, data: bytes) -> Message:
        fields = json.loads(data)
        return fields.pop("method"), fields


class _DataOnly(pickle.Unpickler):
    """Refuses everything that names an object: a broker sends data."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the broker sent a pickle that names {module}.{name}")


class PickleCodec(Codec):
    """Dictionaries, with the method as one of their items."""

    name = "pickle"

    def encode(self, method: str, fields: Fields) -> bytes:
        return pickle.dumps({"method": method, **fields})

    def decode(self, data: bytes) -> Message:
        fields = _DataOnly(BytesIO(data)).load()
        return fields.pop("method"), fields


class XMLCodec(Codec):
    """Elements named by the method, fields as attributes, the value as a child.

    XML carries text: a value is read as text, unless ``typed`` asks for what it was.
    """

    name = "xml"

    def __init__(self, typed: bool = False) -> None:
        self.typed = typed

    def encode(self, method: str, fields: Fields) -> bytes:
        root = ElementTree.Element(method)
        for name, field in fields.items():
            if name != "value":
                root.set(name, str(field).lower() if isinstance(field, bool) else str(field))
        if "value" in fields:
            kind, text = _to_text(fields["value"])
            child = ElementTree.SubElement(root, "value")
            if kind is not None:
                child.set("type", kind)
            child.text = text
        # A carriage return would be read as a line feed.
        data: bytes = ElementTree.tostring(root, encoding="utf-8")
        return data.replace(b"\r", b"&#13;")

    def decode(self, data: bytes) -> Message:
        root = ElementTree.fromstring(data)
        fields: Fields = dict(root.attrib)
        if root.tag == "topics":
            fields["topics"] = [child.text or "" for child in root]
        elif root.tag == "subscribers":
            fields["subscribers"] = [dict(child.attrib) for child in root]
        else:
            for child in root:
                fields["value"] = self._value(child)
        return root.tag, fields

    def _value(self, element: ElementTree.Element) -> Any:
        text = element.text or ""
        return _from_text(element.get("type"), text) if self.typed else text


def _to_text(value: Any) -> tuple[Optional[str], str]:
    """The type and the text of a value."""
    if value is None:
        return "null", ""
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, int):
        return "int", str(value)
    if isinstance(value, float):
        return "float", repr(value)
    if isinstance(value, (bytes, bytearray)):
        return "base64", base64.b64encode(value).decode("ascii")
    if isinstance(value, str) and all(map(_is_xml, value)):
        return None, value
    return "json", json.dumps(value, allow_nan=False)


def _is_xml(character: str) -> bool:
    """Whether XML 1.0 has this character."""
    return character in "\t\n\r" or (
        character >= " " and character not in "\ufffe\uffff" and not "\ud800" <= character <= "\udfff"
    )


def _from_text(kind: Optional[str], text: str) -> Any:
    """The value that a text of this type stands for."""
    if kind is None or kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "base64":
        return base64.b64decode(text)
    return json.loads(text)

"""Parse untrusted XML into a tree of the branches in use, in bounded time and memory."""

import math
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.expatreader import DefusedExpatParser

from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 8_000_000  # a real file has half a megabyte
MAX_ELEMENTS, MAX_DEPTH = 50_000, 50  # a real file has some hundred elements, HL7 aECG some thousand, 20 deep
MAX_ATTRIBUTES = 50_000  # a real file has some hundred
DOCTYPES = frozenset({"RestingECG"})  # GE MUSE names its DTD, which is not read


def parse_xml(content: bytes, branches: Mapping[str, frozenset[str]], other: frozenset[str]) -> Element:
    """Return the root with those of its children that are in use, and all below them.

    Bytes are parsed, so that the encoding the file declares (ISO-8859-1, UTF-16) is honoured. Namespaces, default
    or prefixed, are ignored.

    Args:
        branches: the children in use by the name of the root.
        other: the children in use where the root has another name.

    Raises:
        Rejection: not XML, too large, or with a DTD or entities.
    """
    if not content.strip():
        raise Rejection("empty file")
    if content.count(b"=") > MAX_ATTRIBUTES:
        raise Rejection("XML too large", f"more than {MAX_ATTRIBUTES} attributes")
    parser, tree = _Parser(forbid_dtd=True), _Branches(branches, other)
    parser.setContentHandler(tree)
    try:
        parser.feed(content)
        parser.close()
    except DefusedXmlException as error:
        raise Rejection("XML with a DTD or entities", type(error).__name__) from error
    except SAXParseException as error:
        place = f"line {error.getLineNumber()}, column {error.getColumnNumber()}"
        raise Rejection("not XML", f"{error.getMessage()}: {place}") from error
    except (ValueError, LookupError) as error:
        raise Rejection("not XML", type(error).__name__) from error
    return tree.tree.close()


def text_of(node: Element, tag: str) -> str:
    """Return the text of the child `tag`, "" without one; more than one must agree."""
    texts = {(child.text or "").strip() for child in node.findall(tag)}
    if len(texts) > 1:
        raise Rejection("contradictory XML", f"{tag} is duplicated")
    return texts.pop() if texts else ""


def positive(text: str, reason: str, name: str) -> float:
    """Return a finite number above 0.

    Raises:
        Rejection: with `reason`, if it is something else.
    """
    value = number(text, reason, name)
    if value <= 0:
        raise Rejection(reason, f"{name} is {value:g}")
    return value


def number(text: str, reason: str, name: str) -> float:
    """Return a finite number; a Rejection with `reason` if it is something else."""
    try:
        value = float(text)
    except ValueError as error:
        raise Rejection(reason, f"{name} is not a number") from error
    if not math.isfinite(value):
        raise Rejection(reason, f"{name} is {value}")
    return value


class _Parser(DefusedExpatParser):
    """Accepts a DOCTYPE of DOCTYPES without declarations of its own; never reads the DTD it names."""

    _parser: Any  # expat's, of the base class

    def reset(self) -> None:
        super().reset()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: bool
    ) -> None:
        if has_internal_subset or name not in DOCTYPES:
            raise DTDForbidden(name, sysid, pubid)


class _Branches(ContentHandler):
    """Builds a tree of the used branches only, refuses more elements than an ECG needs, leaves namespaces unresolved.

    Resolving would write a namespace's whole name into every element and attribute: gigabytes from 200 kB.
    """

    def __init__(self, branches: Mapping[str, frozenset[str]], other: frozenset[str]) -> None:
        self.tree = TreeBuilder()
        self.elements = self.depth = 0
        self.left_out = 0  # depth at which an unused branch began, 0 outside
        self.branches, self.used = branches, other

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self.elements += 1
        self.depth += 1
        if self.elements > MAX_ELEMENTS or self.depth > MAX_DEPTH:
            raise Rejection("XML too large", f"more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        name = name.rpartition(":")[2]
        if self.depth == 1:
            self.used = self.branches.get(name, self.used)
        elif not self.left_out and self.depth == 2 and name not in self.used:
            self.left_out = self.depth
        if not self.left_out:
            self.tree.start(name, dict(attrs))

    def characters(self, content: str) -> None:
        if not self.left_out and self.depth > 1:
            self.tree.data(content)

    def endElement(self, name: str) -> None:
        if not self.left_out:
            self.tree.end(name.rpartition(":")[2])
        elif self.left_out == self.depth:
            self.left_out = 0
        self.depth -= 1

    def skippedEntity(self, name: str) -> None:
        raise Rejection("XML with a DTD or entities", "an entity that the file does not declare")

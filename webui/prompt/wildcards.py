"""Prompts that vary: ``__name__`` and ``{a|b|c}``, resolved by a picture's seed.

::

    __animals/cats__            one line of the file animals/cats.txt, or one entry of a YAML key
    __animals/*__               one of all that match: * within a folder, ** across folders
    {red|green|blue}            one of the options, each as likely
    {3::red|blue}               red three times as likely
    {2$$red|green|blue}         two of them, with ", " between
    {1-2$$ and $$red|green}     one or two, with " and " between; {2-$$…} and {-2$$…} leave one open

The syntax is that of the dynamic-prompts extension (its docs/SYNTAX.md). Options and entries may
hold all of it again. Where we differ: braces without ``|`` or ``$$`` are text, because other
programs mean emphasis by them; a ``|`` in square brackets in an option is the brackets' own
(alternation). A backslash makes the next character text, and stays for the prompt's own syntax.
What is unknown, unclosed, or too deep is text as it stands.
"""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from webui.prompt.wildcard_lists import Entries, Wildcards, weighted

MAX_CHARS = 20_000
"""The longest result; what would come behind is left out."""
MAX_DEPTH = 16
"""How deep entries may lead to further entries; beyond, names are text."""
MAX_WORK = 20_000
"""How much is looked at for one result; names and options beyond are left out."""
JOINER = ", "
_ALL = 1_000_000

_TOKEN = re.compile(
    r"""
    \\.?
    | __(?P<name>(?:[^\W_]|\*)(?:[\w*/.\ -]{0,198}?(?:[^\W_]|\*))?)__
    | (?P<open>\{)
      (?:\s*
        (?:(?P<low>\d{1,4})(?P<dash>-(?P<high>\d{1,4})?)?|-(?P<most>\d{1,4}))
        (?P<dollars>\$\$)(?:(?P<joiner>[^{}|$\\]{0,100})\$\$)?
      )?
    | (?P<sign>[}|\[\]])
    | [^\\{}|\[\]_]+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def resolve(template: str, seed: int, wildcards: Wildcards, *, stream: str = "") -> str:
    """``template`` with one choice made everywhere, the same for the same seed and files.

    ``stream`` tells texts apart that share a seed (prompt and negative prompt), so that the same
    words in both are chosen independently. Never fails; takes time linear in the template's length
    and at most :data:`MAX_WORK` choices, gives at most :data:`MAX_CHARS` characters.
    """
    return _Drawing(wildcards, random.Random(f"{seed}/{stream}")).of(parse(template))


def varies(template: str, wildcards: Wildcards) -> bool:
    """Whether a template holds a choice: options, or a name that there is."""
    pending: list[Node] = [*parse(template)]
    while pending:
        node = pending.pop()
        if isinstance(node, Group):
            pending += node.nodes
        elif not isinstance(node, Name | str) or _is_known(node, wildcards):
            return True
    return False


def _is_known(node: Name | str, wildcards: Wildcards) -> bool:
    return isinstance(node, Name) and wildcards.find(node.name) is not None


# ---- reading


@dataclass(frozen=True, slots=True)
class Name:
    """``__name__``."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """``{…}``: between ``low`` and ``high`` of the options, ``joiner`` between them."""

    options: tuple[tuple[Node, ...], ...]
    weights: tuple[float, ...]
    low: int
    high: int
    joiner: str


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """``{…}`` that is no choice: what it holds is as it stands, choices in it are choices."""

    nodes: tuple[Node, ...]


Node = str | Name | Choice | Group


@dataclass(slots=True)
class _Open:
    """Braces that are not closed yet: how they begin, and their options so far."""

    head: str
    low: int
    high: int | None
    joiner: str
    counted: bool
    options: list[list[Node]] = field(default_factory=lambda: [[]])
    squares: int = 0

    @classmethod
    def of(cls, match: re.Match[str]) -> _Open:
        """From the token that opens them."""
        joiner = JOINER if match["joiner"] is None else match["joiner"]
        if match["dollars"] is None:
            return cls(match[0], 1, 1, joiner, counted=False)
        if match["most"] is not None:
            return cls(match[0], 0, int(match["most"]), joiner, counted=True)
        low = int(match["low"])
        high = low if match["dash"] is None else _number(match["high"])
        return cls(match[0], low, high, joiner, counted=True)

    def plain(self) -> list[Node]:
        """What they hold when they are not closed, or are no choice: text, and choices in it."""
        nodes: list[Node] = [self.head]
        for i, option in enumerate(self.options):
            nodes += ["|", *option] if i else option
        return nodes

    def closed(self) -> Choice | Group:
        """What they are once closed."""
        if not self.counted and len(self.options) == 1:
            return Group((*self.plain(), "}"))
        parts = [_weighted(option) for option in self.options]
        high = _ALL if self.high is None else self.high
        options = tuple(tuple(nodes) for _, nodes in parts)
        weights = tuple(weight for weight, _ in parts)
        return Choice(options, weights, min(self.low, high), max(self.low, high), self.joiner)


@lru_cache(maxsize=256)
def parse(template: str) -> tuple[Node, ...]:
    """The template as text, names and choices; any text is accepted."""
    done: list[Node] = []
    opened: list[_Open] = []
    for match in _TOKEN.finditer(template):
        here = opened[-1].options[-1] if opened else done
        sign = match["sign"]
        if match["name"] is not None:
            here.append(Name(match["name"]))
        elif match["open"] is not None:
            opened.append(_Open.of(match))
        elif sign == "}" and opened:
            closed = opened.pop().closed()
            (opened[-1].options[-1] if opened else done).append(closed)
        elif sign == "|" and opened and not opened[-1].squares:
            opened[-1].options.append([])
        else:
            if opened and sign in ("[", "]"):
                opened[-1].squares = max(0, opened[-1].squares + (1 if sign == "[" else -1))
            here.append(match[0])
    for one in opened:
        done.extend(one.plain())
    return tuple(_merged(done))


def _merged(nodes: Sequence[Node]) -> list[Node]:
    """Neighbouring texts as one."""
    merged: list[Node] = []
    texts: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            texts.append(node)
            continue
        if texts:
            merged.append("".join(texts))
            texts = []
        merged.append(node)
    return [*merged, "".join(texts)] if texts else merged


def _weighted(option: list[Node]) -> tuple[float, list[Node]]:
    """An option's weight, and the option without it."""
    option = _merged(option)
    if not option or not isinstance(option[0], str):
        return 1.0, option
    weight, text = weighted(option[0])
    return weight, [text, *option[1:]]


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


# ---- choosing


@dataclass(slots=True)
class _Drawing:
    """One result in the making. A stack instead of recursion: (node, depth), the next on top."""

    wildcards: Wildcards
    rng: random.Random
    work: int = 0
    length: int = 0
    texts: list[str] = field(default_factory=list[str])
    stack: list[tuple[Node, int]] = field(default_factory=list["tuple[Node, int]"])

    def of(self, nodes: Sequence[Node]) -> str:
        """The text of these nodes."""
        self._push(nodes, 0)
        while self.stack and self.length < MAX_CHARS:
            node, depth = self.stack.pop()
            if isinstance(node, str):
                self.texts.append(node)
                self.length += len(node)
            elif isinstance(node, Group):
                self._push(node.nodes, depth)
            elif self.work < MAX_WORK:
                self.work += 1
                self._choose(node, depth)
        return "".join(self.texts)[:MAX_CHARS]

    def _choose(self, node: Name | Choice, depth: int) -> None:
        if isinstance(node, Choice):
            self._take(node, depth)
            return
        entries = self.wildcards.find(node.name) if depth < MAX_DEPTH else None
        if entries is None:
            self.stack.append((f"__{node.name}__", depth))
        else:
            self._push(parse(entries.pick(self.rng.random())), depth + 1)

    def _take(self, choice: Choice, depth: int) -> None:
        """Put what is chosen of the options on the stack."""
        options, weights = choice.options, choice.weights
        entries = self._entries(options, depth)
        if entries is not None:
            options = entries.texts
            weights = entries.weights
            depth += 1
        high = min(choice.high, len(options))
        low = min(choice.low, high)
        count = low + int(self.rng.random() * (high - low + 1))
        self.work += len(options) // 64
        for i, index in enumerate(reversed(self._indices(weights, count))):
            if i:
                self.stack.append((choice.joiner, depth))
            option = options[index]
            self._push(parse(option) if isinstance(option, str) else option, depth)

    def _entries(self, options: Sequence[Sequence[Node]], depth: int) -> Entries | None:
        """What ``{2$$__name__}`` chooses from: the entries of its only option."""
        only = [n for n in options[0] if not isinstance(n, str) or n.strip()]
        if len(options) != 1 or len(only) != 1 or depth >= MAX_DEPTH:
            return None
        return self.wildcards.find(only[0].name) if isinstance(only[0], Name) else None

    def _indices(self, weights: Sequence[float], count: int) -> list[int]:
        """``count`` different indices, by weight, in random order.

        Efraimidis and Spirakis 2006: the largest of u^(1/w), u uniform; those of weight 0 are last.
        """
        if count == 1:
            return [_index(weights, self.rng.random())]
        keys = [self.rng.random() ** (1 / w) if w > 0 else -self.rng.random() for w in weights]
        return heapq.nlargest(count, range(len(weights)), key=keys.__getitem__)

    def _push(self, nodes: Sequence[Node], depth: int) -> None:
        self.work += len(nodes) // 64
        self.stack += [(node, depth) for node in reversed(nodes)]


def _index(weights: Sequence[float], u: float) -> int:
    """The option at share ``u`` of all weights; each as likely when all are 0."""
    total = sum(weights)
    if total <= 0:
        return int(u * len(weights))
    rest = u * total
    last = 0
    for index, weight in enumerate(weights):
        if weight > 0:
            last = index
            rest -= weight
            if rest < 0:
                return index
    return last

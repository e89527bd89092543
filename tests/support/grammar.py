"""Log objects for fuzzing: records by a grammar, damaged, and joined by all kinds of line ends.

Hypothesis draws the values (text, numbers, near-timestamps, JSON); records are put together from
them by a generator that it seeds, because thousands of records drawn one by one would take minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from tests.support.cases import CASES

# Longer cases would take all the time, and are tested one by one elsewhere.
LINES = {
    kind: [case.line for case in CASES if f"{case.kind}s" == kind and len(case.line) < 400]
    for kind in ("page_views", "user_updates")
}
ENDS = [b"\n"] * 6 + [b"\r\n"] * 2 + [b"\n\n", b"\r", b"", b" \t\r\n", b'"', b",", b"\n\r\n", b"\0"]
ENDS += [b"\r\r\n", b"\v\n", b"\n\f\n", b"\n\xef\xbb\xbf"]
DEBRIS = [
    *(b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xa0"),
    *(b" ", b"\t", b"\v", b"\f", b"\x1c", b"\n" * 50, b"x" * 131_072),
    *rb""" " "" , { } [ ] : \ \ud800 \u0074 \u0000 \n \N \. ,} ,] {" [[ """.split(),
    *b""" NaN -inf Infinity nan1 null true 999999999999999999999999 -0 1e3 0x1 // """.split(),
    *b""" +23:59 Z .5 1970-01-01T00:00:00 9999-12-31T23:59:59.9999999 "ts" "user_id": """.split(),
]
SPACES = ["", "", "", " ", " ", "\t", "\r", "  \t", "\v", "\f "]
_near = st.from_regex(
    r"\A(19[67]|20[0-9]|999|000)[0-9]-[01][0-9]-[0-3][0-9][T t_][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,8})?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?\Z"
)
_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Values:
    """What the records of one batch are made of."""

    texts: list[str]
    instants: list[str]
    integers: list[int]
    json: list[str]
    raw: list[bytes]


def values() -> st.SearchStrategy[Values]:
    """Some values of each sort; few, so that records repeat and users have many updates."""
    return st.builds(
        Values,
        texts=st.lists(st.text(max_size=12), min_size=8, max_size=12),
        instants=st.lists(_near, min_size=8, max_size=12),
        integers=st.lists(
            st.integers(-(2**64), 2**64) | st.integers(-9, 9) | st.sampled_from([2**63 - 1, -(2**63)]),
            min_size=4,
            max_size=8,
        ),
        json=st.lists(_json.map(json.dumps), min_size=4, max_size=8),
        raw=st.lists(st.binary(max_size=6), min_size=4, max_size=8),
    )


class Grammar:
    """Makes log objects of both kinds from some values and a seed."""

    def __init__(self, values: Values, seed: int) -> None:
        self._values, self._random = values, Random(seed)

    def body(self, kind: str) -> bytes:
        """One object: up to six records."""
        random = self._random
        parts = [b"\xef\xbb\xbf"] if random.random() < 0.1 else []
        for _ in range(random.randrange(7)):
            parts += [self._line(kind), random.choice(ENDS)]
        return b"".join(parts)

    def _line(self, kind: str) -> bytes:
        random = self._random
        sort = random.random()
        if sort < 0.3:
            line = random.choice(LINES[kind])
        elif sort < 0.32:
            line = random.choice(self._values.raw)
        else:
            line = (self._view() if kind == "page_views" else self._update()).encode("utf-8", "surrogatepass")
        while random.random() < 0.2:
            at = random.randrange(len(line) + 1)
            cut = at + random.choice((0, 0, 1, 3, 30))
            line = line[:at] + random.choice([*DEBRIS, *self._values.raw]) + line[cut:]
        return line

    def _view(self) -> str:
        random = self._random
        members = [
            ("ts", self._string(self._instant())),
            ("url", self._string(self._text("/products/916/"))),
            ("environment", self._string(self._environment())),
            ("user_id", self._user_id()),
        ]
        while random.random() < 0.15:  # another value, a name twice, one more, one less, shuffled
            at = random.randrange(len(members))
            match random.randrange(4):
                case 0:
                    members[at] = (members[at][0], random.choice(self._values.json))
                case 1:
                    name = random.choice(["ts", "url", "environment", "user_id", "email", ""])
                    value = random.choice([*self._values.json, self._string(self._instant())])
                    members.insert(at, (name, value))
                case 2 if len(members) > 1:
                    del members[at]
                case _:
                    random.shuffle(members)
        space = random.choice(SPACES) if random.random() < 0.3 else ""
        inner = f",{space or ' '}".join(f"{self._string(name)}{space}:{space or ' '}{value}" for name, value in members)
        comma = "," if random.random() < 0.05 else ""
        return f"{space}{{{space}{inner}{comma}{space}}}{space}"

    def _update(self) -> str:
        random = self._random
        fields = [
            self._instant(),
            str(self._integer()),
            self._text("a@example.com"),
            self._text("Cheri Honey"),
            self._environment(),
        ]
        if random.random() < 0.05:
            fields = ["updated_at", "user_id", "email", "name", "environment"]
        while random.random() < 0.1:
            at = random.randrange(len(fields))
            match random.randrange(3):
                case 0:
                    fields[at] = self._text("")
                case 1:
                    fields.insert(at, self._text("x"))
                case _ if len(fields) > 1:
                    del fields[at]
        how = random.random()
        return ",".join(self._field(field, how) for field in fields)

    def _field(self, text: str, how: float) -> str:
        quoted = self._random.random() < 0.5 if how < 0.2 else how < 0.7
        return '"' + text.replace('"', '""') + '"' if quoted else text

    def _string(self, text: str) -> str:
        """A JSON string, some of its characters as escapes of one of the kinds there are."""
        share = self._random.choice((0, 0, 0, 0, 0.2, 1))
        return (
            '"'
            + "".join(
                json.dumps(c)[1:-1]
                if c in '"\\' or c < " " or "\ud800" <= c <= "\udfff"
                else "".join(f"\\u{int.from_bytes(pair, 'big'):04{self._random.choice('xX')}}" for pair in _pairs(c))
                if share and self._random.random() < share
                else c
                for c in text
            )
            + '"'
        )

    def _instant(self) -> str:
        random = self._random
        if random.random() < 0.4:
            return random.choice(self._values.instants)
        text = (
            f"{random.choice((1970, 2000, 2017, 2024, 9999))}-{random.randint(1, 12):02}-"
            f"{random.randint(1, 31):02}{random.choice('T ')}{random.randrange(25):02}:00:"
            f"{random.choice((0, 59, 60)):02}"
        )
        fraction = random.choice(("", "", ".5", ".123456", ".1234567", ".000000"))
        return text + fraction + random.choice(("", "", "Z", "+00:00", "-23:59", "+05:30"))

    def _user_id(self) -> str:
        text = str(self._integer())
        chosen = self._random.random()
        if chosen < 0.1:
            return self._random.choice(["null", '""', '" "', "1.0", "1e3", "-0", '"-0"', '"007"', "NaN", "[1,]"])
        return self._string(text) if chosen < 0.4 else text

    def _integer(self) -> int:
        random = self._random
        return random.choice(self._values.integers) if random.random() < 0.4 else random.randrange(9)

    def _text(self, usual: str) -> str:
        return self._random.choice(self._values.texts) if self._random.random() < 0.5 else usual

    def _environment(self) -> str:
        chosen = self._random.random()
        return "production" if chosen < 0.8 else "staging" if chosen < 0.9 else self._text("")


def _pairs(character: str) -> list[bytes]:
    units = character.encode("utf-16-be", "surrogatepass")
    return [units[at : at + 2] for at in range(0, len(units), 2)]

"""Reading just enough of a statement: its first word, its output format, where an INSERT's
data begins, and whether it reaches for what the bridge forbids. Pure.

The engine classifies statements itself; this covers what it does not tell. The lexical rules
are ClickHouse's. Where this and the engine could disagree about what is a string (nested
comments, heredocs, typographic quotes, escapes in identifiers), the statement is refused: a
disagreement could hide a function's name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|//[^\n]*|\#[ !][^\n]*|/\*(?:(?!/\*|\*/).)*\*/)
      | (?P<string>'(?:\\.|''|[^'\\])*')
      | (?P<quoted>"(?:\\.|""|[^"\\])*"|`(?:\\.|``|[^`\\])*`)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\d+)
      | (?P<punct>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_INSERT_END: Final = frozenset({"FORMAT", "VALUES", "SELECT", "WITH", "FROM", "WATCH"})
_INSERT_TAIL: Final = re.compile(r"[ \t]*;?[ \t]*\n?")
# Functions that reach outside although grants are in force: `file` reads any path when the
# engine is embedded, `eval` runs a statement hidden in a string, the others run programs or
# reach into the daemon's own objects. HTTP appears in dictionary sources.
_FORBIDDEN_NAMES: Final = frozenset({"file", "eval", "executable", "python"})
_FORBIDDEN_SOURCES: Final = frozenset({"executable", "executable_pool", "file", "http", "python"})
_FORBIDDEN_SETTINGS: Final = frozenset(
    {"format_schema", "format_schema_source", "output_format_schema"}
)
# CONTROL statements of the engine's classification that a session may need. Grants decide
# which forms of SYSTEM and KILL, and which tables of DELETE and OPTIMIZE, go through.
_CONTROL_WORDS: Final = frozenset(
    {"SET", "USE", "KILL", "SYSTEM", "CREATE", "DROP", "DELETE", "OPTIMIZE"}
)
_CURLY_QUOTES: Final = re.compile("[\u2018\u2019\u201c\u201d]")


@dataclass(frozen=True, slots=True)
class Token:
    """One lexeme: ``kind`` is word, quoted, string, number or punct."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class InsertHead:
    """An INSERT that brings its data along: the statement up to FORMAT, the format's name
    and where in the text the data begins."""

    statement: str
    format: str
    data_start: int


_END: Final = Token("punct", "", -1, -1)


def tokens(sql: str) -> Iterator[Token]:
    """The lexemes of *sql*, without spaces and comments."""
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "punct"
        if kind != "skip":
            yield Token(kind, match.group(), match.start(), match.end())


def first_word(sql: str) -> str:
    """The first keyword in capitals, ``(`` skipped; empty if there is none. Of an INSERT that
    begins with its WITH: INSERT."""
    stream = tokens(sql)
    for token in stream:
        if token.kind == "word":
            word = token.text.upper()
            return "INSERT" if word == "WITH" and _inserts(stream) else word
        if token.text != "(":
            break
    return ""


def _inserts(rest: Iterator[Token]) -> bool:
    depth = 0
    for token in rest:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text.upper() == "INSERT":
            return True
    return False


def output_format(sql: str) -> str | None:
    """The name in a trailing ``FORMAT name``, or None."""
    found, depth, previous = None, 0, ""
    for token in tokens(sql):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and previous == "FORMAT":
            found = token.text
        previous = token.text.upper() if token.kind == "word" and depth == 0 else ""
    return found


def insert_head(text: str) -> InsertHead | None:
    """Split an INSERT with inline or attached data; None if it selects its rows.

    After the format's name at most spaces, one semicolon and one newline are consumed: the
    next byte belongs to the data, even if it looks like white space.
    """
    depth, stream = 0, tokens(text)
    for token in stream:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        word = token.text.upper() if token.kind == "word" else ""
        if depth or word not in _INSERT_END:
            continue
        if word == "VALUES":
            return InsertHead(text[: token.start], "Values", token.end)
        if word != "FORMAT":
            return None
        name = next(stream, None)
        if name is None or name.kind != "word":
            return None
        tail = _INSERT_TAIL.match(text, name.end)
        return InsertHead(text[: token.start], name.text, tail.end() if tail else name.end)
    return None


def reading_from(head: str, path: str) -> str:
    """The INSERT *head* (without FORMAT) with its data in the file *path*: the clause stands
    before SETTINGS."""
    depth, cut, seen = 0, len(head), list(tokens(head))
    for token, name, sign in zip(seen, seen[1:], seen[2:], strict=False):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        is_settings = token.kind == "word" and token.text.upper() == "SETTINGS"
        if depth == 0 and is_settings and name.kind == "word" and sign.text == "=":
            cut = token.start
    clause = f" FROM INFILE '{path}' COMPRESSION 'none' "
    return f"{head[:cut].rstrip()}{clause}{head[cut:]}"


def makes_temporary(sql: str) -> bool:
    """Whether *sql* creates a temporary table, which lives in its session."""
    words = [token.text.upper() for token in tokens(sql) if token.kind == "word"][:4]
    return words[:1] == ["CREATE"] and "TEMPORARY" in words


def refusal(sql: str, query_class: str, statements: int) -> str | None:
    """Why the bridge does not run *sql*, in one sentence; None if it may.

    *query_class* and *statements* are the engine's own reading of it.
    """
    if statements > 1:
        return "Multi-statements are not allowed: send one statement per request."
    lexemes = list(tokens(sql))
    word = first_word(sql)
    if query_class == "MUTATING_GLOBAL" or (
        query_class == "CONTROL" and word not in _CONTROL_WORDS
    ):
        return f"{word} statements of this kind are not allowed on the local stack."
    return (
        _unclear(lexemes)
        or _file_clause(lexemes, word)
        or _forbidden_name(lexemes)
        or _hidden_sql(lexemes, word)
    )


def forbidden_identifier(value: str) -> bool:
    """Whether *value*, given for an ``{x:Identifier}`` parameter, names what is forbidden."""
    return value.strip('`"') in _FORBIDDEN_NAMES or "\\" in value


def forbidden_setting(name: str) -> bool:
    """Whether a setting would make the engine read or write files by name."""
    return name.lower() in _FORBIDDEN_SETTINGS


def _unclear(lexemes: list[Token]) -> str | None:
    for lexeme, following in pairwise([*lexemes, _END]):
        if lexeme.kind == "quoted" and "\\" in lexeme.text:
            return f"Escapes in the identifier {lexeme.text} are not allowed."
        if lexeme.kind != "punct":
            continue
        if _CURLY_QUOTES.match(lexeme.text):
            return "Typographic quotes are not allowed outside strings: use ' or `."
        if lexeme.text == "$":
            return (
                "The sign $ is not allowed outside strings: quote the string or name with ' or `."
            )
        if lexeme.text in "'\"`":
            return f"The quote {lexeme.text} is not closed."
        if lexeme.text == "/" and following.text == "*" and following.start == lexeme.end:
            return "Comments inside comments, and comments that do not end, are not allowed."
    return None


def _file_clause(lexemes: list[Token], word: str) -> str | None:
    words = [lexeme.text.upper() if lexeme.kind == "word" else "" for lexeme in lexemes]
    pairs = set(pairwise(words))
    if ("INTO", "OUTFILE") in pairs:
        return "INTO OUTFILE would write a file of the daemon's machine and is not allowed."
    if word == "INSERT" and ("FROM", "INFILE") in pairs:
        return "FROM INFILE would read a file of the daemon's machine and is not allowed."
    return None


def _forbidden_name(lexemes: list[Token]) -> str | None:
    for lexeme, following in pairwise([*lexemes, _END]):
        if lexeme.kind not in ("word", "quoted"):
            continue
        name = lexeme.text.strip('`"')
        called = following.text == "("
        if (
            name in _FORBIDDEN_NAMES
            or forbidden_setting(name)
            or (called and name.lower() in _FORBIDDEN_SOURCES)
        ):
            return (
                f"`{name}` reaches outside the database and is not allowed on the local stack; "
                "if it names a column, rename it in your query's source."
            )
    return None


def _hidden_sql(lexemes: list[Token], word: str) -> str | None:
    # Two places where a string becomes SQL later: a dictionary's QUERY and a parameter's value.
    words = {lexeme.text.upper() for lexeme in lexemes if lexeme.kind == "word"}
    if word == "SET" and any(name.startswith("PARAM_") for name in words):
        return "SET param_… is not allowed: send parameters with the request."
    if "DICTIONARY" not in words:
        return None
    texts = (lexeme.text for lexeme in lexemes if lexeme.kind == "string")
    if any(
        "\\" in text or not _FORBIDDEN_NAMES.isdisjoint(re.findall(r"\w+", text)) for text in texts
    ):
        return "A dictionary of the local stack may only read tables."
    return None

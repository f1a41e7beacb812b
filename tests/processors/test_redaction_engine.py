"""What is cut out of a text, and what is not."""

import base64
import json
from urllib.parse import quote

import pytest

from spanledger.processors.redact.cuts import REDACTED, Cut, apply, mark, merge
from spanledger.processors.redact.engine import CLASSES, OFF_BY_DEFAULT, Engine
from spanledger.processors.redact.exact import secrets_of
from tests.processors._secrets import (
    DECOYS,
    LETTERS,
    PASSWORD,
    TOKENS,
    jwt,
    nested_json,
    pem,
)

ENGINE = Engine()
OPENAI = TOKENS["openai-key"]


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    "around",
    ["{}", "the key {} is mine", '"{}"', "KEY={}", "({})", "https://example.com/x?k={}&y=1",
     "a\\n{}\\nb", "my-{}", "path/{}", "ä{}", "{}."],
)  # fmt: skip
def test_a_token_is_cut_out_as_a_whole_and_named(kind: str, around: str) -> None:
    text = around.format(TOKENS[kind])
    assert ENGINE(text) == around.format(mark(kind))


def test_a_token_inside_of_a_word_is_none() -> None:
    """``task-``, ``risk-``: the commonest false alarms."""
    text = "x" + OPENAI
    assert ENGINE(text) == text


@pytest.mark.parametrize("text", [jwt(), jwt()[: jwt().rindex(".")], jwt("not json at all")])
def test_a_jwt_is_cut_out_also_without_its_signature(text: str) -> None:
    text = text if text.count(".") == 2 or ".eyJ" in text else f"{text}.x"
    assert ENGINE(f"a {text} b") == f"a {mark('jwt')} b"


@pytest.mark.parametrize("kind", ["RSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_cut_out_also_if_its_end_is_missing(kind: str) -> None:
    key = pem(kind)
    assert ENGINE(f"a {key} b {key} c") == f"a {mark('private-key')} b {mark('private-key')} c"
    assert ENGINE(f"a {key[:100]}") == f"a {mark('private-key')}"
    assert ENGINE(json.dumps(key)) == json.dumps(mark("private-key"))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://bob:{}@db:5432/x", "postgresql://bob:{}@db:5432/x"),
        ("redis://:{}@cache/0", "redis://:{}@cache/0"),
        ("amqp://u:a@{}@host", "amqp://u:{}@host"),
    ],
)
def test_a_password_in_an_address_is_cut_out_and_the_address_stays(text: str, clean: str) -> None:
    assert ENGINE(text.format(PASSWORD)) == clean.format(mark("url-password"))


def test_addresses_to_which_anybody_may_post_are_cut_out() -> None:
    slack = "hooks.slack.com" + "/services/" + f"T00000000/B00000000/{LETTERS[:24]}"
    discord = "/api/webhooks" + f"/123456789012345678/{LETTERS * 2}"
    assert ENGINE(f"POST https://{slack} 200") == f"POST https://{mark('slack-webhook')} 200"
    assert (
        ENGINE(f"https://discord.com{discord}") == f"https://discord.com{mark('discord-webhook')}"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("password={}", "password"),
        ("PASSWORD = '{}'", "password"),
        ('"password": "{}"', "password"),
        ("'db_password' => '{}'", "password"),
        ("passwd: {}", "password"),
        ("Server=db;Uid=sa;Pwd={};", "password"),
        ("<password>{}</password>", "password"),
        ("passphrase := {}", "password"),
        ("apiKey: '{}'", "api-key"),
        ("x-api-key: {}", "api-key"),
        ("OPENAI_API_KEY={}", "api-key"),
        ("api_key_2={}", "api-key"),
        ("AccountKey={};EndpointSuffix=x", "api-key"),
        ("aws_secret_access_key = {}", "api-key"),
        ("client_secret={}&x=1", "secret"),
        ('{{"secrets": "{}"}}', "secret"),
        ("credentials={}", "secret"),
        ("refresh_token={}", "token"),
        ("accessToken: {}", "token"),
        ('"token": "{}"', "token"),
        ("Authorization: {}", "authorization"),
        ("Authorization: Token {}", "authorization"),
        ("curl -H 'authorization: Bearer {}'", "authorization"),
        ("https://x.blob.core.windows.net/c?sv=1&sig={}&x=1", "signature"),
        ("run --password {} --verbose", "password"),
        ("run --api-key={}", "api-key"),
        ('["run", "--token", "{}"]', "token"),
        ("password={}\\nnext line", "password"),
    ],
)
def test_a_value_is_cut_out_that_is_called_a_secret(text: str, kind: str) -> None:
    assert ENGINE(text.format(PASSWORD)) == text.format(mark(kind))


def test_a_value_in_quotes_is_cut_out_with_its_blanks() -> None:
    assert ENGINE('password="correct horse battery"') == f'password="{mark("password")}"'
    assert ENGINE("Cookie: a=1234; b=5678") == f"Cookie: {mark('cookie')}"
    cut_off = ENGINE('{"password": "correct horse bat')
    assert cut_off == f'{{"password": "{mark("password")}'


def test_headers_are_known_by_their_scheme() -> None:
    basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    assert ENGINE(f"sent Bearer {LETTERS} there") == f"sent Bearer {mark('bearer-token')} there"
    assert ENGINE(f"sent Basic {basic}") == f"sent Basic {mark('basic-auth')}"


@pytest.mark.parametrize("depth", range(7))
@pytest.mark.parametrize(
    "value",
    [PASSWORD, "with \"quotes\" and 'others'", "with \\ and \\\\", "at its end \\", '"', "\\"],
)
def test_json_in_json_is_read_at_any_depth(depth: int, value: str) -> None:
    """Tool arguments are JSON in JSON; their quotes are escaped once for each level."""
    value = value * 3
    clean = ENGINE(nested_json("password", value, depth))
    # Deeper, more than the value may go, but never less.
    if depth < 6:
        assert clean == nested_json("password", mark("password"), depth)
    assert PASSWORD not in clean
    assert mark("password") in clean


def test_percent_encoding_is_decoded() -> None:
    url = quote(f"postgres://bob:{PASSWORD}@db", safe="")
    assert PASSWORD not in ENGINE(f"redirect={url}")
    encoded = "".join(f"%{ord(letter):02X}" for letter in OPENAI)
    assert ENGINE(f"?q={encoded}&x=100%25") == f"?q={mark('openai-key')}&x=100%25"


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "name: "])
@pytest.mark.parametrize("around", ["{}", "data:text/plain;base64,{}", "bucket/v1/{}", "a={} b"])
def test_one_level_of_base64_is_decoded(before: str, around: str) -> None:
    """Wherever in the encoded text the secret begins."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = around.format(encode(f"{before} {OPENAI} and ?>~ more".encode()).decode())
        assert ENGINE(text) == around.format(mark("openai-key"))


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\U000e0041"])
def test_characters_that_nobody_sees_hide_nothing(hidden: str) -> None:
    """Also where JSON has written them as escapes."""
    secret = hidden.join(OPENAI)
    assert ENGINE(f"a {secret} b") == f"a {mark('openai-key')} b"
    if hidden < "\uffff":
        assert ENGINE(json.dumps(f"a {secret} b")) == json.dumps(f"a {mark('openai-key')} b")
        twice = json.dumps(json.dumps(f"a {secret} b"))
        assert ENGINE(twice) == json.dumps(json.dumps(f"a {mark('openai-key')} b"))


def test_escapes_hide_nothing() -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in OPENAI)
    assert ENGINE(f'"{escaped}"') == f'"{mark("openai-key")}"'
    address = f"https:\\/\\/bob:{PASSWORD}@db\\/x"
    assert ENGINE(address) == f"https:\\/\\/bob:{mark('url-password')}@db\\/x"


def test_what_is_invisible_stays_where_no_secret_is() -> None:
    """Joined emoji and variation selectors are part of the text."""
    text = "👩\u200d💻 says \u2764\ufe0f and \\u0041 \\/ and password=hunter22"
    assert ENGINE(text) == text.replace("hunter22", mark("password"))


@pytest.mark.parametrize("text", DECOYS)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert ENGINE(text) == text


def test_cards_are_cut_out_only_if_that_is_wanted() -> None:
    number = "4111 1111" + " 1111 1111"
    engine = Engine(classes=CLASSES)
    assert ENGINE(number) == number
    assert {"credit-card"} == OFF_BY_DEFAULT
    assert engine(f"paid by {number}.") == f"paid by {mark('credit-card')}."
    assert engine(number.replace(" ", "")) == mark("credit-card")
    wrong = number[:-1] + "2"
    assert engine(wrong) == wrong


@pytest.mark.parametrize("kind", sorted(CLASSES - OFF_BY_DEFAULT - {"environment"}))
def test_a_class_that_is_off_is_not_looked_for(kind: str) -> None:
    """And the others are."""
    other = "groq-key" if kind != "groq-key" else "openai-key"
    engine = Engine(classes={kind})
    assert engine(TOKENS[other]) == TOKENS[other]
    assert Engine(classes=CLASSES - {kind})(TOKENS[other]) == mark(other)
    if kind in TOKENS:
        assert Engine(classes=CLASSES - {kind})(TOKENS[kind]) == TOKENS[kind]
        assert engine(TOKENS[kind]) == mark(kind)


ENVIRON = {
    "OPENAI_API_KEY": "key-0123456789",
    "DB_PASSWORD": "correct horse battery",
    "my_token": "tok.0123+456",
    "SHORT_SECRET": "true",
    "HOME": "/home/somebody",
    "LONGER_KEY": "key-0123456789-and-more",
    "TOKENIZERS_PARALLELISM": "definitely",
    "DATABASE_URL": "postgres://bob:p%40ss-w0rd@db/x",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-team=header%20value,y=short",
}


def test_secrets_are_known_by_the_names_of_their_variables() -> None:
    """Short values are no secrets, and the longest is cut first."""
    assert secrets_of(ENVIRON) == [
        "key-0123456789-and-more",
        "correct horse battery",
        "key-0123456789",
        "header value",
        "tok.0123+456",
        "p%40ss-w0rd",
        "p@ss-w0rd",
    ]


def test_a_secret_of_the_environment_is_cut_out_wherever_it_stands() -> None:
    """And nothing else is; the longer of two is cut as a whole."""
    redact = Engine(secrets_of(ENVIRON))
    assert redact("a key-0123456789 b") == f"a {REDACTED} b"
    assert redact("xkey-0123456789-and-morey") == f"x{REDACTED}y"
    assert redact("tokX0123+456 key-012345678.") == "tokX0123+456 key-012345678."


@pytest.mark.parametrize("secret", ["swordfish", 'qu"ote\\d', "tabs\tand\nlines", "pässwörd€"])
def test_a_secret_of_the_environment_is_found_in_any_writing(secret: str) -> None:
    redact = Engine([secret])
    writings = [
        json.dumps(secret),
        json.dumps(json.dumps({"a": secret})),
        json.dumps(json.dumps(secret, ensure_ascii=False), ensure_ascii=False),
        quote(secret, safe=""),
        "\u200b".join(secret),
        *(base64.b64encode(b"x" * n + secret.encode() + b"yz").decode() for n in range(4)),
    ]
    for writing in writings:
        clean = redact(f"before {writing} after")
        assert REDACTED in clean, writing
        assert clean.startswith("before ")
        assert clean.endswith(" after")


def test_the_first_half_of_a_secret_at_the_end_of_a_text_is_cut_out() -> None:
    """Limits on the length of attributes leave such halves."""
    redact = Engine(["swordfish-and-more"])
    assert redact("arguments: swordfish-a") == f"arguments: {REDACTED}"
    assert redact("arguments: swordfi") == "arguments: swordfi"


def test_cuts_that_overlap_become_one() -> None:
    """The first found gives the class."""
    cuts = merge([Cut(4, 9, "a"), Cut(0, 5, "b"), Cut(9, 10, "c"), Cut(20, 22, "d")])
    assert cuts == [Cut(0, 9, "a"), Cut(9, 10, "c"), Cut(20, 22, "d")]
    assert apply("0123456789", cuts[:2]) == "[redacted:a][redacted:c]"


def test_names_tell_what_is_a_secret() -> None:
    for name in (
        "password",
        "db.api_key",
        "X-Api-Key",
        "client_secret",
        "authorization",
        "--token",
    ):
        assert ENGINE.named(name)
    for name in ("gen_ai.token.type", "max_tokens", "key", "monkey", "secret.name", "service.name"):
        assert ENGINE.named(name) is None

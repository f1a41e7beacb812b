"""Secrets as they look, put together at run time: no scanner may find one in the repository."""

import base64
import json

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
#: By the class that their mark names.
TOKENS = {
    "openai-key": "sk" + "-proj-" + LETTERS * 2,
    "anthropic-key": "sk" + "-ant-api03-" + LETTERS * 2,
    "aws-access-key": "AK" + "IA" + "Q3EGRIKX7ZBPLM2N",
    "github-token": "gh" + "p_" + LETTERS + "abcd",
    "gitlab-token": "gl" + "pat-" + LETTERS[:20],
    "slack-token": "xo" + "xb-" + "1234567890-abcdefABCDEF",
    "google-api-key": "AI" + "za" + LETTERS + "abc",
    "google-oauth-token": "ya" + "29." + LETTERS,
    "huggingface-token": "hf" + "_" + LETTERS,
    "groq-key": "gs" + "k_" + LETTERS,
    "xai-key": "xa" + "i-" + LETTERS,
    "stripe-key": "sk" + "_live_" + LETTERS[:24],
    "npm-token": "np" + "m_" + LETTERS + "abcd",
    "pypi-token": "py" + "pi-AgE" + LETTERS * 2,
    "sendgrid-key": "S" + "G." + LETTERS[:22] + "." + LETTERS,
    "langsmith-key": "ls" + "v2_pt_" + LETTERS,
    "tavily-key": "tv" + "ly-" + LETTERS,
    "nvidia-key": "nv" + "api-" + LETTERS,
    "replicate-token": "r8" + "_" + LETTERS,
    "perplexity-key": "pp" + "lx-" + LETTERS,
    "databricks-token": "da" + "pi" + "0123456789abcdef" * 2,
    "vault-token": "hv" + "s." + LETTERS,
    "digitalocean-token": "do" + "p_v1_" + "0123456789abcdef" * 4,
}
PASSWORD = "Tr0ub4dor" + "-and-3"


def jwt(payload: str = '{"sub":"1234567890"}') -> str:
    """Header, payload and signature."""
    parts = (b'{"alg":"HS256"}', payload.encode(), LETTERS.encode())
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def pem(kind: str = "RSA PRIVATE KEY") -> str:
    """A private key as it stands in a file."""
    body = "\n".join([LETTERS * 2] * 6)
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


def nested_json(key: str, value: str, depth: int) -> str:
    """``{"key": "value"}`` as a string inside of JSON, so many times."""
    text = json.dumps({key: value})
    for _ in range(depth):
        text = json.dumps({"arguments": text})
    return text


#: What only looks like a secret.
DECOYS = (
    "550e8400-e29b-41d4-a716-446655440000",
    "e0f2410bd9cfe8ab12cd34ef56ab78cd90ef12ab",
    "0af7651916cd43dd8448eb211c80319c",
    "task-sk-learn-with-a-rather-long-name",
    "risk-assessment-of-all-the-things-we-do",
    "disk-usage-of-something-rather-long-here",
    "max_tokens: 1024, total_tokens=123456789",
    '{"completion_tokens_details": {"reasoning_tokens": 123456}}',
    "token count: 12",
    "the token is 1234567 characters long",
    "a basic understanding of the bearer",
    "basic internationalization",
    "the secretary: Mrs Robinson",
    "key: a value that is no secret",
    "monkey: business as usual",
    "def login(user: str, password: str | None = None) -> str:",
    'api_key = os.environ["OPENAI_API_KEY"]',
    "token=get_token(user)",
    '{"password": null, "secret": true, "api_key": ""}',
    "password: required",
    "PWD=/home/somebody OLDPWD=/tmp",
    "https://somebody@example.com/path?x=1#y",
    "see https://example.com/a:b?mail=c@d.e",
    "https://hooks.slack.com/",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "data:image/png;base64," + base64.b64encode(bytes(range(256))).decode(),
    base64.b64encode(b"only a text that is not secret at all").decode(),
    "50 % of 100%25 are 50%",
    "tool_call_id=call_abcdefghijklmnop",
    "gpt-4o-mini-2024-07-18",
    "C:\\Users\\new\\token.txt",
    "12:30:45 sig: none",
)

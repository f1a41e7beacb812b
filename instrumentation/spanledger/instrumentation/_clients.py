"""The client libraries that have a gate. Imported only when one of them is."""

from spanledger.instrumentation import anthropic, openai
from spanledger.instrumentation._requests import Client

CLIENTS = {
    client.name: client
    for client in (
        Client(
            "openai",
            openai.dialect_of,
            openai.provider_of,
            openai.with_usage,
            openai.with_output_limit,
        ),
        Client("anthropic", anthropic.dialect_of, anthropic.provider_of),
    )
}

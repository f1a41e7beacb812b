"""pydantic-ai: it makes its own spans, in the GenAI conventions.

    pip install "pydantic-ai-slim[openai]"
    python examples/frameworks/pydantic_ai_agent.py

Runs offline. Without `Agent.instrument_all()` the model calls are metered and limited all the same,
but nothing says which agent makes them.
"""

from typing import Any

from _offline import MODEL, show, wants

REPLIES = (wants("search", words="tides"),)


def search(words: str) -> str:
    """Search the library."""
    return f"3 books about {words}"


def work(url: str) -> Any:
    from pydantic_ai import Agent  # type: ignore[import-not-found]  # not installed where types are checked
    from pydantic_ai.models.openai import OpenAIChatModel  # type: ignore[import-not-found]  # not installed where types are checked
    from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]  # not installed where types are checked

    Agent.instrument_all()
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=url, api_key="none"))
    return Agent(model, name="librarian", tools=[search]).run_sync("What about tides?")


if __name__ == "__main__":
    show(work, REPLIES)

"""LangChain: an agent with a tool, seen by OpenTelemetry's own instrumentation.

    pip install langchain langchain-openai opentelemetry-instrumentation-genai-langchain
    python examples/frameworks/langchain_agent.py

Runs offline. The agent and its tool have the spans of that instrumentation; what a call costs is
put on its span by Spanledger, and budgets per agent or tool find their names there.
"""

from typing import Any

from _offline import MODEL, show, wants

INSTRUMENTORS = ("opentelemetry.instrumentation.genai.langchain:LangChainInstrumentor",)
REPLIES = (wants("search", words="tides"),)


def search(words: str) -> str:
    """Search the library."""
    return f"3 books about {words}"


def work(url: str) -> Any:
    from langchain.agents import create_agent  # type: ignore[import-not-found]  # not installed where types are checked
    from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]  # not installed where types are checked

    model = ChatOpenAI(model=MODEL, base_url=url, api_key="none")
    agent = create_agent(model, [search], name="librarian")
    return agent.invoke({"messages": [("user", "What do you have about tides?")]})


if __name__ == "__main__":
    show(work, REPLIES, INSTRUMENTORS)

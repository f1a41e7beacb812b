"""smolagents: an agent with a tool, seen by OpenInference.

    pip install "smolagents[openai]" openinference-instrumentation-smolagents
    python examples/frameworks/smolagents_agent.py

Runs offline. OpenInference names the span of an agent after it, and has spans of every step. Its
span around the model's answer and the gate's are one call, which is billed once.
"""

from typing import Any

from _offline import MODEL, show, wants

INSTRUMENTORS = ("openinference.instrumentation.smolagents:SmolagentsInstrumentor",)
REPLIES = (wants("search", words="tides"), wants("final_answer", answer="3 books"))


def search(words: str) -> str:
    """Search the library.

    Args:
        words: What to look for.
    """
    return f"3 books about {words}"


def work(url: str) -> Any:
    from smolagents import OpenAIServerModel, ToolCallingAgent, tool  # type: ignore[import-not-found]  # not installed where types are checked

    model = OpenAIServerModel(MODEL, api_base=url, api_key="none")
    agent = ToolCallingAgent(
        tools=[tool(search)], model=model, name="librarian", description="", verbosity_level=0
    )
    return agent.run("What do you have about tides?")


if __name__ == "__main__":
    show(work, REPLIES, INSTRUMENTORS)

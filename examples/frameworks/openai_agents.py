"""openai-agents: a planner that uses a tool and another agent.

    pip install openai-agents opentelemetry-instrumentation-genai-openai-agents
    python examples/frameworks/openai_agents.py

Runs offline. That instrumentation makes spans of workflow, agents and tools, and none of model
calls: those are Spanledger's, below the agent that makes them.
"""

from typing import Any

from _offline import MODEL, show, wants

INSTRUMENTORS = ("opentelemetry.instrumentation.genai.openai_agents:OpenAIAgentsInstrumentor",)
REPLIES = (wants("search", words="tides"), wants("write", input="a list"))


def search(words: str) -> str:
    """Search the library."""
    return f"3 books about {words}"


def work(url: str) -> Any:
    import openai
    from agents import (  # type: ignore[import-not-found]  # not installed where types are checked
        Agent,
        OpenAIChatCompletionsModel,
        Runner,
        function_tool,
        set_tracing_export_api_key,
    )

    set_tracing_export_api_key("")  # nothing goes to OpenAI's own trace store
    model = OpenAIChatCompletionsModel(MODEL, openai.AsyncOpenAI(base_url=url, api_key="none"))
    writer = Agent(name="writer", model=model)
    planner = Agent(
        name="planner",
        model=model,
        tools=[function_tool(search), writer.as_tool("write", "Writes the answer.")],
    )
    return Runner.run_sync(planner, "What do you have about tides?")


if __name__ == "__main__":
    show(work, REPLIES, INSTRUMENTORS)

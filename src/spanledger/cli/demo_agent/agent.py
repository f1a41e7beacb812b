"""A support desk: a planner, two sub-agents and four tools answer one customer's question.

    opentelemetry-instrument python examples/agent.py

The models decide what happens: every step is a tool call that one of them asked for. The
planner and the writer are OpenAI models, the researcher and the reviewer are Anthropic's.
Spanledger is in this file only as names for sessions, agents and tools; calls, tokens, costs
and limits need no code.
"""

import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

from spanledger.track import agent, session, tool

PLANNER_MODEL = "gpt-4.1-mini"
RESEARCHER_MODEL = "claude-sonnet-4-5"
WRITER_MODEL = "gpt-5-mini"
REVIEWER_MODEL = "claude-opus-4-1"
MAX_TURNS = 10

# Both read their key and address (OPENAI_BASE_URL, ANTHROPIC_BASE_URL) from the environment.
openai = OpenAI()
anthropic = Anthropic()

ORDERS = {"1042": {"item": "espresso machine", "paid_usd": 249.0, "parcel": "PX-7731", "days": 12}}
POLICIES = {"late delivery": "After 10 days the customer gets 15 % of the price back."}

Tool = Callable[..., Any]


# --- tools ----------------------------------------------------------------------------------


@tool
def look_up_order(order_id: str) -> dict[str, Any]:
    """Look an order up by its number."""
    return ORDERS[order_id]


@tool
def track_parcel(parcel: str) -> str:
    """Ask the carrier where a parcel is."""
    raise TimeoutError(f"the carrier did not answer about {parcel}")


@tool
def search_policy(topic: str) -> str:
    """Find what our terms say about a topic."""
    return POLICIES.get(topic, "Nothing found.")


@tool
def calculate_refund(paid_usd: float, percent: float) -> str:
    """Work out a refund in US dollars."""
    return f"{paid_usd * percent / 100:.2f} USD"


def run_tool(tools: dict[str, Tool], name: str, arguments: dict[str, Any]) -> str:
    """What a tool gives, for the model to read; a failure is an answer too."""
    try:
        return json.dumps(tools[name](**arguments))
    except Exception as error:  # noqa: BLE001 - the model is told and decides what to do
        return f"The tool failed: {error}"


# --- sub-agents -----------------------------------------------------------------------------


def ask_researcher(question: str) -> str:
    """Have the researcher find something out."""
    tools: dict[str, Tool] = {"track_parcel": track_parcel, "search_policy": search_policy}
    messages: list[Any] = [{"role": "user", "content": question}]
    with agent("researcher"):
        for _ in range(MAX_TURNS):
            reply = anthropic.messages.create(
                model=RESEARCHER_MODEL,
                max_tokens=600,
                system="Find the facts with your tools. Say what you could not find out.",
                messages=messages,
                tools=[
                    described_for_anthropic("track_parcel", parcel="string"),
                    described_for_anthropic("search_policy", topic="string"),
                ],
            )
            uses = [block for block in reply.content if block.type == "tool_use"]
            if not uses:
                return "".join(block.text for block in reply.content if block.type == "text")
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": use.id,
                    "content": run_tool(tools, use.name, dict(use.input)),
                }
                for use in uses
            ]
            messages += [
                {"role": "assistant", "content": reply.content},
                {"role": "user", "content": results},
            ]
    return "The researcher came to no result."


def ask_writer(facts: str) -> str:
    """Have the writer put the facts into an answer."""
    with agent("writer"):
        stream = openai.chat.completions.create(
            model=WRITER_MODEL,
            max_completion_tokens=600,
            messages=[
                {"role": "system", "content": "Write a short, friendly answer to the customer."},
                {"role": "user", "content": facts},
            ],
            stream=True,
        )
        parts = []
        for chunk in stream:
            text = chunk.choices[0].delta.content or "" if chunk.choices else ""
            print(text, end="", flush=True)
            parts.append(text)
        print()
        return "".join(parts)


def review(answer: str) -> str:
    """Have the dearest model look over the answer: good to have, if the budget allows it."""
    try:
        reply = anthropic.messages.create(
            model=REVIEWER_MODEL,
            max_tokens=4000,
            messages=[{"role": "user", "content": f"Is this answer correct and kind?\n{answer}"}],
        )
    except Exception as refusal:  # noqa: BLE001 - without a review the answer still goes out
        return f"skipped. {refusal}"
    return "".join(block.text for block in reply.content if block.type == "text")


# --- the planner ----------------------------------------------------------------------------


def plan(question: str) -> str:
    """Let the planner work until it has an answer."""
    tools: dict[str, Tool] = {
        "look_up_order": look_up_order,
        "calculate_refund": calculate_refund,
        "ask_researcher": ask_researcher,
        "ask_writer": ask_writer,
    }
    messages: list[Any] = [
        {"role": "system", "content": "You run a support desk. Use your tools, then answer."},
        {"role": "user", "content": question},
    ]
    for _ in range(MAX_TURNS):
        reply = openai.chat.completions.create(
            model=PLANNER_MODEL,
            max_completion_tokens=400,
            messages=messages,
            tools=[
                described_for_openai("look_up_order", order_id="string"),
                described_for_openai("calculate_refund", paid_usd="number", percent="number"),
                described_for_openai("ask_researcher", question="string"),
                described_for_openai("ask_writer", facts="string"),
            ],
        )
        message: Any = reply.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append(message)
        for call in message.tool_calls:
            print(f"planner → {call.function.name}")
            result = run_tool(tools, call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return "The planner came to no result."


def described_for_openai(name: str, **parameters: str) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": schema(parameters)}}


def described_for_anthropic(name: str, **parameters: str) -> Any:
    return {"name": name, "input_schema": schema(parameters)}


def schema(parameters: dict[str, str]) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in parameters.items()}
    return {"type": "object", "properties": properties, "required": list(parameters)}


def main(session_id: str) -> None:
    question = "Where is my order 1042? I have been waiting for 12 days."
    print(f"customer: {question}")
    with session(session_id, user="customer-17"), agent("planner"):
        answer = plan(question)
        print(f"planner: {answer}")
        print(f"review: {review(answer)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else f"support-{uuid.uuid4().hex[:8]}")

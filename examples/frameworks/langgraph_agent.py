"""LangGraph: two agents as nodes of a graph, with `track.agent` around each.

    pip install langgraph langchain-openai
    python examples/frameworks/langgraph_agent.py

Runs offline, and without any instrumentation of LangGraph: the nodes say who acts, the gate sees
the model calls. With an instrumentation of LangChain its spans come in between.
"""

from typing import Any

from _offline import MODEL, show, wants

from spanledger import track

REPLIES = (wants("search", words="tides"),)


@track.tool
def search(words: str) -> str:
    """Search the library."""
    return f"3 books about {words}"


def work(url: str) -> Any:
    from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]  # not installed where types are checked
    from langgraph.graph import START, MessagesState, StateGraph  # type: ignore[import-not-found]  # not installed where types are checked
    from langgraph.prebuilt import ToolNode, tools_condition  # type: ignore[import-not-found]  # not installed where types are checked

    model = ChatOpenAI(model=MODEL, base_url=url, api_key="none")
    searcher = model.bind_tools([search])

    @track.agent("researcher")
    def research(state: Any) -> Any:
        return {"messages": [searcher.invoke(state["messages"])]}

    @track.agent("writer")
    def write(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("research", research)
    graph.add_node("tools", ToolNode([search]))
    graph.add_node("write", write)
    graph.add_edge(START, "research")
    graph.add_conditional_edges("research", tools_condition, {"tools": "tools", "__end__": "write"})
    graph.add_edge("tools", "research")
    return graph.compile().invoke({"messages": [("user", "What do you have about tides?")]})


if __name__ == "__main__":
    show(work, REPLIES)

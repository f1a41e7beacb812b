"""The examples of frameworks: each prints one connected tree."""

import pytest

from tests.frameworks._environments import EXAMPLES, run

#: Input at 150 and output at 600 nano-USD a token: a question costs 45 000, an answer 450 000.
TREES = {
    "langchain_agent": """\
session  spanledger.subtree.cost=495000
└── invoke_agent librarian  spanledger.subtree.cost=495000
    ├── chat gpt-4o-mini  spanledger.cost.nano_usd=45000
    ├── execute_tool search
    └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
""",
    "langgraph_agent": """\
session  spanledger.subtree.cost=945000
├── invoke_agent researcher  spanledger.subtree.cost=45000
│   └── chat gpt-4o-mini  spanledger.cost.nano_usd=45000
├── execute_tool search
├── invoke_agent researcher  spanledger.subtree.cost=450000
│   └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
└── invoke_agent writer  spanledger.subtree.cost=450000
    └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
""",
    "openai_agents": """\
session  spanledger.subtree.cost=990000
└── invoke_workflow Agent workflow  spanledger.subtree.cost=990000
    └── invoke_agent planner  spanledger.subtree.cost=990000
        ├── chat gpt-4o-mini  spanledger.cost.nano_usd=45000
        ├── execute_tool search
        ├── chat gpt-4o-mini  spanledger.cost.nano_usd=45000
        ├── execute_tool write  spanledger.subtree.cost=450000
        │   └── invoke_agent writer  spanledger.subtree.cost=450000
        │       └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
        └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
""",
    "pydantic_ai_agent": """\
session  spanledger.subtree.cost=495000
└── invoke_agent librarian  spanledger.subtree.cost=495000
    ├── chat gpt-4o-mini  spanledger.cost.nano_usd=45000
    ├── execute_tool search
    └── chat gpt-4o-mini  spanledger.cost.nano_usd=450000
""",
    "smolagents_agent": """\
session  spanledger.subtree.cost=90000
└── librarian.run  spanledger.subtree.cost=90000
    ├── Step 1  spanledger.subtree.cost=45000
    │   ├── OpenAIModel.generate  spanledger.cost.nano_usd=45000
    │   └── SimpleTool
    └── Step 2  spanledger.subtree.cost=45000
        ├── OpenAIModel.generate  spanledger.cost.nano_usd=45000
        └── FinalAnswerTool
""",
    "mcp_tools": """\
session
└── invoke_agent librarian
    ├── MCP send initialize
    │   └── initialize
    ├── execute_tool search
    │   ├── MCP send tools/call search
    │   │   └── tools/call search
    │   └── MCP send tools/list
    │       └── tools/list
    └── execute_tool search  ERROR
        └── MCP send tools/call search
            └── tools/call search  ERROR
notifications/initialized
""",
}


@pytest.mark.parametrize("name", TREES)
def test_an_example_prints_its_tree(name: str) -> None:
    assert run("agent-frameworks", EXAMPLES / f"{name}.py") == TREES[name]


def test_each_example_has_its_tree() -> None:
    assert {path.stem for path in EXAMPLES.glob("[!_]*.py")} == TREES.keys()


def test_the_page_shows_a_tree_as_it_is_printed() -> None:
    page = EXAMPLES.parents[1] / "docs" / "frameworks.md"
    assert TREES["openai_agents"] in page.read_text()

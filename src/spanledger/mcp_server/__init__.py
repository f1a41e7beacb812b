"""An MCP server: assistants ask the ledger and the history by fixed verbs, not by SQL.

>>> from spanledger.mcp_server import Place, make_server
>>> make_server(Place(open_warehouse, open_admin)).run()  # doctest: +SKIP
"""

from spanledger.mcp_server.http import TOKEN_VARIABLE, serve_http
from spanledger.mcp_server.place import Place, ReadOnly
from spanledger.mcp_server.server import make_server

__all__ = ["TOKEN_VARIABLE", "Place", "ReadOnly", "make_server", "serve_http"]

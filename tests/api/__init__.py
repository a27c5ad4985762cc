"""The HTTP API and its MCP tools, as programs meet them: over the wire."""

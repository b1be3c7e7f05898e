"""The HTTP server, hardened: addresses, connections, limits, deadlines."""

"""Throughput over HTTP: servers in processes of their own, and one client process that keeps them busy in turn."""

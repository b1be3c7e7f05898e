"""What a user would pick instead, serving the same families: each takes a port and a file in the text format."""

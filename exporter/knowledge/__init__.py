"""What is known about a project, and what to ask next. Pure."""

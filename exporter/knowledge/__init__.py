"""What is known of a project, and what to ask next. Pure."""

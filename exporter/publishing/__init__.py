"""From what is known about a project to the bytes of a scrape."""

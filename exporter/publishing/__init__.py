"""From what is known of a project to the bytes of a scrape."""

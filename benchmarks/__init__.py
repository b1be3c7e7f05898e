"""What a scrape, a poll and a start cost, measured side by side with what a user would pick instead.

`make bench` runs all of it and writes RESULTS.md. Each module measures one thing and gives a `Section`.
"""

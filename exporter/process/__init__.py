"""One running exporter: what starts, reloads and stops it."""

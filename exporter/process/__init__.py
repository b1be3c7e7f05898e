"""One running exporter: what starts, reloads and stops it, and whether it leads."""

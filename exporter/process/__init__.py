"""One running exporter: what is built at the start, changed by a reload, and ended by a signal."""

"""The background process: start, messages, end."""

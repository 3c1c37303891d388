"""The background process: start, conversation, end."""

"""Reports, tables and charts for people."""

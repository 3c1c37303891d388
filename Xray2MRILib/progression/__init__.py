"""A radiograph at other times or grades: series towards a grade, follow-up."""

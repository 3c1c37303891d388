"""Series of synthetic radiographs towards a grade or towards a follow-up radiograph."""

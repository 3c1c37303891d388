"""A pseudo-MRI beside a real MRI: reading, alignment, controls, figures, verdict, report."""

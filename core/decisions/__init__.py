"""A decision as people see it: its sections, its pictures, its tags, and what error rate each gate has."""

"""Surveys: what a table of rows is, which column plays which part, and which ones tell the target in advance."""

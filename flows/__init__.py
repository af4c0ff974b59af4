"""Lifecycles: each flow reads like a paragraph and ends in a state whose name says how."""

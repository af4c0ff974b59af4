"""Betting on fresh rows against "no candidate is better": the capital, its stakes, and what a row is worth."""

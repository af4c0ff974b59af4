"""The one service file that every bento carries; it is copied, never imported here."""

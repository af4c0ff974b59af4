"""Documents for people: written once, shown as Markdown in the Prefect UI and as an HTML page."""

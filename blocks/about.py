"""What all blocks show of themselves in the Prefect UI: a logo and a page to read."""

__all__ = ["DOCUMENTATION", "LOGO"]

LOGO = "https://raw.githubusercontent.com/mlflow/mlflow/master/docs/static/images/logo-light.svg"
DOCUMENTATION = "https://docs.prefect.io/integrations"
